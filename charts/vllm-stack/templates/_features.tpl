{{/*
What the features of a model add to its workload; each define takes {root, w}. Flags go to w.featureArgs, files to
w.config, and to the pod w.volumes and w.mounts. How a flag is spelled stands in the engine's file.
*/}}
{{- define "vllm-stack.features" -}}
{{- $body := .w.body -}}
{{- if not .w.engine.features }}{{ template "vllm-stack.noFeatures" . }}{{ else -}}
{{- if $body.lora.enabled }}{{ template "vllm-stack.lora" . }}{{ end -}}
{{- if $body.speculative.method }}{{ template "vllm-stack.speculative" . }}{{ end -}}
{{- if $body.kvOffload.backend }}{{ template "vllm-stack.kvOffload" . }}{{ end -}}
{{- if $body.warmup.prompts }}{{ template "vllm-stack.warmup" . }}{{ end -}}
{{- if $body.tls.existingSecret }}{{ template "vllm-stack.tls" . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* An engine whose file spells no feature has none here; its own flags may. */}}
{{- define "vllm-stack.noFeatures" -}}
{{- range $feature, $key := dict "lora" "enabled" "speculative" "method" "kvOffload" "backend" "warmup" "prompts" "tls" "existingSecret" -}}
{{- if get (get $.w.body $feature) $key -}}
{{- template "vllm-stack.error" (list $ $feature (printf "engine %s has no setting for it here; remove it, write the engine's own flags in args, or set engine: vllm" $.w.body.engine)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* vLLM keeps as many adapters as fit into one batch: what is listed would else be read again and again. */}}
{{- define "vllm-stack.lora" -}}
{{- $w := .w }}{{ $lora := $w.body.lora }}{{ $flags := $w.engine.features.lora -}}
{{- $names := keys ($lora.adapters | default dict) | sortAlpha }}{{ $args := list $flags.enabled -}}
{{- $sizes := pick $lora "maxRank" "maxLoras" "maxCpuLoras" -}}
{{- if and (not (hasKey $lora "maxCpuLoras")) (gt (len $names) (int ($lora.maxLoras | default 1))) }}{{ $_ := set $sizes "maxCpuLoras" (len $names) }}{{ end -}}
{{- range $key, $size := $sizes }}{{ $args = append $args (print (get $flags $key) "=" (int $size)) }}{{ end -}}
{{- with $names }}{{ $args = append $args $flags.adapters }}{{ end -}}
{{- range $names -}}
{{- $path := include "vllm-stack.local" (dict "root" $.root "w" $w "uri" (get $lora.adapters .).uri) -}}
{{- $args = append $args (dict "name" . "path" $path | toRawJson) -}}
{{- end -}}
{{- $_ := set $w "featureArgs" (concat $w.featureArgs $args) -}}
{{- end -}}

{{- define "vllm-stack.speculative" -}}
{{- $w := .w }}{{ $speculative := $w.body.speculative }}{{ $config := dict "method" $speculative.method -}}
{{- with $speculative.model }}{{ $_ := set $config "model" (include "vllm-stack.local" (dict "root" $.root "w" $w "uri" .)) }}{{ end -}}
{{- with $speculative.numTokens }}{{ $_ := set $config "num_speculative_tokens" (int .) }}{{ end -}}
{{- range $key, $value := $speculative.config }}{{ $_ := set $config $key $value }}{{ end -}}
{{- $_ := set $w "featureArgs" (append $w.featureArgs (print $w.engine.features.speculative.config "=" (toRawJson $config))) -}}
{{- end -}}

{{- define "vllm-stack.kvOffload" -}}
{{- $w := .w }}{{ $offload := $w.body.kvOffload }}{{ $flags := $w.engine.features.kvOffload }}{{ $args := list -}}
{{- if eq $offload.backend "native" -}}
{{- $args = list (print $flags.backend "=native") (print $flags.sizeGiB "=" (include "vllm-stack.scalar" $offload.sizeGiB)) -}}
{{- else -}}
{{- $lmcache := $w.engine.lmcache }}{{ $address := splitn ":" 2 ($offload.server | default ":0") -}}
{{- $extra := dict $lmcache.host (print "tcp://" $address._0) $lmcache.port (int $address._1) -}}
{{- $args = list (print $flags.server "=" (set (deepCopy $lmcache.config) "kv_connector_extra_config" $extra | toRawJson)) -}}
{{- end -}}
{{- $_ := set $w "featureArgs" (concat $w.featureArgs $args) -}}
{{- end -}}

{{/* The script that the startup probe runs, and what it asks. */}}
{{- define "vllm-stack.warmup" -}}
{{- $w := .w }}{{ $body := $w.body -}}
{{- $url := printf "http%s://127.0.0.1:%d" (ternary "s" "" (not (not $body.tls.existingSecret))) (int $w.port) -}}
{{- $asked := dict "url" $url "health" $w.engine.probePath "model" (first $w.servedNames) "ranks" (int ($body.parallelism.data | default 1)) "prompts" $body.warmup.prompts -}}
{{- $_ := set $w.config "warm_up.json" (toRawJson $asked) -}}
{{- $_ := set $w.config "warm_up.py" (.root.Files.Get "files/warm_up.py") -}}
{{- end -}}

{{/* The whole Secret is mounted: a single file of it would never be renewed. */}}
{{- define "vllm-stack.tls" -}}
{{- $w := .w }}{{ $flags := $w.engine.features.tls -}}
{{- $_ := set $w "featureArgs" (concat $w.featureArgs (list (print $flags.certificate "=/etc/vllm-stack-tls/tls.crt") (print $flags.key "=/etc/vllm-stack-tls/tls.key") $flags.reload)) -}}
{{- $_ := set $w "volumes" (append $w.volumes (dict "name" "tls" "secret" (dict "secretName" $w.body.tls.existingSecret))) -}}
{{- $_ := set $w "mounts" (append $w.mounts (dict "name" "tls" "mountPath" "/etc/vllm-stack-tls" "readOnly" true)) -}}
{{- end -}}
