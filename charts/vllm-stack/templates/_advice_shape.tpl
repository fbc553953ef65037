{{/* {root, w} of a shape -> lines for NOTES about each workload of it, without its name, see _advice.tpl */}}
{{- define "vllm-stack.shapeAdvice" -}}
{{- $w := .w }}{{ $body := $w.body -}}
{{- if and .root.resolved.secretEnv.VLLM_API_KEY (not $w.engine.apiKeyEnv) }}
engine {{ $body.engine }} asks nobody for secrets.apiKey here; set networkPolicy, or have the gateway ask.
{{- end }}
{{- $limit := index ($body.resources.limits | default dict) "memory" }}
{{- if and $limit $w.shm (lt (include "vllm-stack.mebibytes" $limit | float64) (include "vllm-stack.mebibytes" $w.shm | float64)) }}
/dev/shm ({{ $w.shm }}) counts against the memory limit ({{ $limit }}) and is larger; raise resources.limits.memory.
{{- end }}
{{- if and (gt $w.replicas 1) (lt (int $body.shutdown.preStopSeconds) 6) }}
shutdown.preStopSeconds ({{ int $body.shutdown.preStopSeconds }}) is not longer than the 5 s for which vLLM keeps idle connections; callers that keep theirs can lose requests in a rollout. Set 6 or more.
{{- end }}
{{- if not $w.budgetSeconds }}
without startup.budgetSeconds there is neither a startup nor a liveness probe.
{{- end }}
{{- if eq $w.balancing "external" }}
vLLM balances externally for mixture-of-experts models only; a dense one ends at its start.
{{- end }}
{{- $memory := ($body.resources.requests | default dict).memory | default $limit }}
{{- if and $body.kvOffload.sizeGiB (not $memory) }}
kvOffload takes {{ $body.kvOffload.sizeGiB }} GiB of the host's memory for each engine at the start, and no memory is requested; set resources.requests.memory to that and what the engine needs beside.
{{- end }}
{{- if and (get $body.args "enable-sleep-mode") (not (hasKey ($body.env | default dict) $w.engine.openEndpoints.development)) }}
nothing can put the engine to sleep while env.{{ $w.engine.openEndpoints.development }} does not open /sleep; see docs/security.md before you set it.
{{- end }}
{{- $queued := get $body.args "max-num-queued-reqs" }}{{ $most := get $body.args "max-num-seqs" }}
{{- if and (kindIs "float64" $queued) (kindIs "float64" $most) (lt (int $queued) (mul (int $most) (int ($body.parallelism.data | default 1)))) }}
args.max-num-queued-reqs ({{ int $queued }}) counts running requests too and is below what the engine can run at once; raise it to that and the queue you allow.
{{- end }}
{{- if and $body.lora.maxCpuLoras (lt (int $body.lora.maxCpuLoras) (len ($body.lora.adapters | default dict))) }}
lora.maxCpuLoras ({{ int $body.lora.maxCpuLoras }}) is less than the {{ len $body.lora.adapters }} adapters listed; the others are read from disk again whenever they are asked for.
{{- end }}
{{- $d := $body.disruption }}
{{- $all := and (hasKey $d "minAvailable") (not (kindIs "string" $d.minAvailable)) (ge (int $d.minAvailable) $w.replicas) }}
{{- if and (ne (toString $d.enabled) "false") (gt $w.replicas 0) (or $all (eq (toString $d.maxUnavailable) "0")) }}
disruption lets no pod go, so that a node drain waits for ever; allow one, or delete the pod by hand.
{{- end }}
{{- end -}}
