{{/* How bodies are merged: defaults < model < variant. */}}

{{/* {body, over} -> body with over merged into it. Parts that over leaves alone stay shared with the defaults,
which is why nothing may write into a part of a resolved body: copying all of them is a third of a render. `omit` of a
key that no map has copies one level, at a tenth of the cost of deepCopy and mergeOverwrite. */}}
{{- define "vllm-stack.overlay" -}}
{{- $body := .body -}}
{{- range $key, $value := .over -}}
{{- if kindIs "map" $value -}}
{{- $base := index $body $key -}}
{{- if and $base (kindIs "map" $base) -}}
{{- $part := omit $base "" -}}
{{- template "vllm-stack.overlay" (dict "body" $part "over" $value) -}}
{{- $value = $part -}}
{{- end -}}
{{- end -}}
{{- $_ := set $body $key $value -}}
{{- end -}}
{{- end -}}

{{/* A null may have removed a whole part of a body; templates may still look into it. */}}
{{- define "vllm-stack.complete" -}}
{{- range $part := list "image" "custom" "source" "args" "env" "accelerator" "parallelism" "resources" "sharedMemory" "cache" "startup" "shutdown" "rollout" "disruption" "scheduling" "service" "lora" "speculative" "kvOffload" "warmup" "tls" "tracing" "logging" "disaggregation" "autoscaling" -}}
{{- if not (kindIs "map" (index $ $part)) }}{{ $_ := set $ $part dict }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* A map without its nulls, in place. env keeps its own: there a null removes a variable that the chart sets. */}}
{{- define "vllm-stack.prune" -}}
{{- range $key, $value := . -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $ $key -}}
{{- else if and (kindIs "map" $value) (ne $key "env") -}}
{{- template "vllm-stack.prune" $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
