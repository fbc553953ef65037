{{/* What every pod gets from `secrets`: the variables, and a checksum of the literals so that a new one rolls the pods. */}}
{{- define "vllm-stack.resolveSecrets" -}}
{{- $env := dict -}}
{{- range $variable, $kind := dict "HF_TOKEN" "huggingFace" "VLLM_API_KEY" "apiKey" -}}
{{- $name := include "vllm-stack.secretName" (dict "root" $ "kind" $kind) -}}
{{- if $name -}}
{{- $ref := dict "name" $name "key" (index $.Values.secrets $kind).key -}}
{{- $_ := set $env $variable (dict "valueFrom" (dict "secretKeyRef" $ref)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set .resolved "secretEnv" $env -}}
{{- $literals := list -}}
{{- range .Values.secrets }}{{ $literals = concat $literals (list .token .value) }}{{ end -}}
{{- $literals = compact $literals | join "\n" -}}
{{- $_ := set .resolved "secretChecksum" (ternary (sha256sum $literals) "" (ne $literals "")) -}}
{{- end -}}
