{{/* {root, w}: the rules of adapters, see _validate.tpl */}}
{{- define "vllm-stack.validateLora" -}}
{{- $w := .w }}{{ $lora := $w.body.lora }}{{ $values := .root.Values }}{{ $routing := $values.routing | default dict -}}
{{- if not $lora.enabled -}}
{{- template "vllm-stack.error" (list . "lora.enabled" "is false, so that nothing takes the adapters; set true, or lora: null") -}}
{{- end -}}
{{- range $name, $adapter := $lora.adapters -}}
{{- if not (regexMatch "^(hf://[^/ ]+/[^/ ]+|pvc://[^/ ]+/[^ ]+|/[^ ]+)$" $adapter.uri) -}}
{{- template "vllm-stack.error" (list $ (printf "lora.adapters.%s.uri" $name) (printf "%q is no source of an adapter; set hf://org/name, pvc://claim/path or an absolute path in the image" $adapter.uri)) -}}
{{- end -}}
{{- if has $name $w.servedNames -}}
{{- template "vllm-stack.error" (list $ (print "lora.adapters." $name) "the model itself is served under this name; rename the adapter") -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $lora "maxCpuLoras") (lt (int $lora.maxCpuLoras) (int ($lora.maxLoras | default 1))) -}}
{{- template "vllm-stack.error" (list . "lora.maxCpuLoras" (printf "%d is less than maxLoras: %d, all of which are kept; set at least that" (int $lora.maxCpuLoras) (int ($lora.maxLoras | default 1)))) -}}
{{- end -}}
{{- if $lora.dynamic -}}
{{- if not ($values.networkPolicy).enabled -}}
{{- template "vllm-stack.error" (list . "lora.dynamic" "POST /adapters loads any path for whoever reaches the pod, with any key or none; set networkPolicy.enabled and networkPolicy.from, or list the adapters") -}}
{{- end -}}
{{- $published := or (and (ne ($routing.kind | default "none") "none") $routing.routes) (ne ($w.body.service.type | default "ClusterIP") "ClusterIP") -}}
{{- if and $published (not .root.resolved.secretEnv.VLLM_API_KEY) -}}
{{- template "vllm-stack.error" (list . "lora.dynamic" "the model is published, and /v1/load_lora_adapter with it; set secrets.apiKey, or list the adapters") -}}
{{- end -}}
{{- $servers := get $w.body.args "api-server-count" | default ($w.body.parallelism.data | default 1) -}}
{{- if ne (toString $servers) "1" -}}
{{- template "vllm-stack.error" (list . "lora.dynamic" (printf "vLLM starts %v servers, each of which would know other adapters, and refuses that; set args.api-server-count: 1" $servers)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
