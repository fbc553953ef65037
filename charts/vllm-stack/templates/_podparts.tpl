{{/* The parts of the pod that are computed; each takes {root, w}. */}}

{{/* What rolls the pods beside their own spec: configuration, chart-made Secrets, and the wish to restart. */}}
{{- define "vllm-stack.podAnnotations" -}}
{{- $restartedAt := .w.body.rollout.restartedAt -}}
{{- if or .w.chatTemplate .root.resolved.secretChecksum $restartedAt .w.body.podAnnotations }}
  annotations:
    {{- range $name, $value := .w.body.podAnnotations }}
    {{ $name }}: {{ quote $value }}
    {{- end }}
    {{- with .w.chatTemplate }}
    checksum/config: {{ sha256sum . }}
    {{- end }}
    {{- with .root.resolved.secretChecksum }}
    checksum/secrets: {{ . }}
    {{- end }}
    {{- with $restartedAt }}
    vllm-stack.io/restarted-at: {{ quote . }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* The root file system is read-only and the user has no home: everything the engine writes goes to the cache. */}}
{{- define "vllm-stack.env" -}}
{{- $body := .w.body }}{{ $at := $body.cache.mountPath | default "/cache" -}}
{{- $env := dict "HOME" $at "USER" "vllm" "HF_HOME" (print $at "/huggingface") "VLLM_CACHE_ROOT" (print $at "/vllm")
      "XDG_CACHE_HOME" (print $at "/xdg-cache") "XDG_CONFIG_HOME" (print $at "/xdg-config")
      "TORCHINDUCTOR_CACHE_DIR" (print $at "/torchinductor") "TRITON_CACHE_DIR" (print $at "/triton")
      "VLLM_NO_USAGE_STATS" "1" -}}
{{- with .w.budgetSeconds }}{{ $_ := set $env "VLLM_ENGINE_READY_TIMEOUT_S" . }}{{ end -}}
{{- range $from := list .root.resolved.secretEnv .w.sourceEnv $body.env }}{{ range $name, $value := $from }}{{ $_ := set $env $name $value }}{{ end }}{{ end -}}
{{- range $name, $value := $env }}
{{- if kindIs "map" $value }}
        - {name: {{ $name }}, valueFrom: {{ toJson $value.valueFrom }}}
{{- else if kindIs "string" $value }}
        - {name: {{ $name }}, value: {{ quote $value }}}
{{- else if not (kindIs "invalid" $value) }}
        - {name: {{ $name }}, value: {{ include "vllm-stack.scalar" $value | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The user's requests and limits, and the accelerator in both: an extended resource cannot be overcommitted. */}}
{{- define "vllm-stack.resources" -}}
{{- $user := .w.body.resources }}{{ $accelerator := .w.body.accelerator.resource }}{{ $gpus := .w.gpus }}
{{- if or $user $accelerator }}
      resources:
        {{- range $part := list "requests" "limits" }}
        {{- if or $accelerator (index $user $part) }}
        {{ $part }}:
          {{- range $name, $quantity := index $user $part }}
          {{ $name }}: {{ include "vllm-stack.scalar" $quantity | quote }}
          {{- end }}
          {{- with $accelerator }}
          {{ . }}: "{{ $gpus }}"
          {{- end }}
        {{- end }}
        {{- end }}
{{- end }}
{{- end -}}
