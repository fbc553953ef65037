{{/* root -> lines for NOTES about the features of models, see _advice.tpl */}}
{{- define "vllm-stack.featureAdvice" -}}
{{- $policy := .Values.networkPolicy | default dict -}}
{{- range $w := .resolved.workloads }}
{{- $body := $w.body }}{{ $memory := ($body.resources.requests | default dict).memory | default ($body.resources.limits | default dict).memory }}
{{- if and $body.kvOffload.sizeGiB (not $memory) }}
- {{ $w.path }}: kvOffload takes {{ $body.kvOffload.sizeGiB }} GiB of the host's memory for each engine at the start, and no memory is requested; set resources.requests.memory to that and what the engine needs beside.
{{- end }}
{{- if and (get $body.args "enable-sleep-mode") (not (hasKey ($body.env | default dict) $w.engine.openEndpoints.development)) }}
- {{ $w.path }}: nothing can put the engine to sleep while env.{{ $w.engine.openEndpoints.development }} does not open /sleep; see docs/security.md before you set it.
{{- end }}
{{- $queued := get $body.args "max-num-queued-reqs" }}{{ $most := get $body.args "max-num-seqs" }}
{{- if and (kindIs "float64" $queued) (kindIs "float64" $most) (lt (int $queued) (mul (int $most) (int ($body.parallelism.data | default 1)))) }}
- {{ $w.path }}: args.max-num-queued-reqs ({{ int $queued }}) counts running requests too and is below what the engine can run at once; raise it to that and the queue you allow.
{{- end }}
{{- if and $body.lora.maxCpuLoras (lt (int $body.lora.maxCpuLoras) (len ($body.lora.adapters | default dict))) }}
- {{ $w.path }}: lora.maxCpuLoras ({{ int $body.lora.maxCpuLoras }}) is less than the {{ len $body.lora.adapters }} adapters listed; the others are read from disk again whenever they are asked for.
{{- end }}
{{- $d := $body.disruption }}
{{- $all := and (hasKey $d "minAvailable") (not (kindIs "string" $d.minAvailable)) (ge (int $d.minAvailable) $w.replicas) }}
{{- if and (ne (toString $d.enabled) "false") (gt $w.replicas 0) (or $all (eq (toString $d.maxUnavailable) "0")) }}
- {{ $w.path }}: disruption lets no pod go, so that a node drain waits for ever; allow one, or delete the pod by hand.
{{- end }}
{{- end }}
{{- range $m := .resolved.models }}
{{- if and (ne ($m.body.service.type | default "ClusterIP") "ClusterIP") (not $policy.enabled) }}
- models.{{ $m.key }}: service.type {{ $m.body.service.type }} publishes every path of the engine, also those that ask for no key; set ClusterIP and routing, or networkPolicy.
{{- end }}
{{- if and $m.body.tls.existingSecret (ne (($.Values.routing).kind | default "none") "none") }}
- models.{{ $m.key }}: its Service speaks TLS; the gateway or mesh must speak it to {{ $m.name }} too, see docs/security.md.
{{- end }}
{{- end }}
{{- if and (not $policy.enabled) (or $policy.from $policy.scrapeFrom $policy.egress) }}
- networkPolicy renders nothing while networkPolicy.enabled is false.
{{- end }}
{{- end -}}
