{{/* The parts of the pod that are computed; each takes {root, w}. */}}

{{/* What rolls the pods beside their own spec: configuration, chart-made Secrets, and the wish to restart. */}}
{{- define "vllm-stack.podAnnotations" -}}
{{- $restartedAt := .w.body.rollout.restartedAt }}{{ $mesh := ne (.root.Values.mesh | default "none") "none" -}}
{{- $scrape := and (.root.Values.monitoring).scrapeAnnotations (not .w.headless) (include "vllm-stack.metricsPath" .w) -}}
{{- if or $mesh $scrape .w.config .root.resolved.secretChecksum $restartedAt .w.body.podAnnotations }}
      annotations:
        {{- range $name, $value := .w.body.podAnnotations }}
        {{ $name }}: {{ quote $value }}
        {{- end }}
        {{- if $mesh }}
        {{- include "vllm-stack.meshAnnotations" . | trim | nindent 8 }}
        {{- end }}
        {{- if $scrape }}{{ template "vllm-stack.scrapeAnnotations" . }}{{ end }}
        {{- with .w.config }}
        checksum/config: {{ toJson . | sha256sum }}
        {{- end }}
        {{- with .root.resolved.secretChecksum }}
        checksum/secrets: {{ . }}
        {{- end }}
        {{- with $restartedAt }}
        vllm-stack.io/restarted-at: {{ quote . }}
        {{- end }}
{{- end }}
{{- end -}}

{{/* The root file system is read-only and the user has no home: everything the engine writes goes to the cache. ~/.cache
and ~/.config follow HOME. */}}
{{- define "vllm-stack.env" -}}
{{- $body := .w.body }}{{ $at := $body.cache.mountPath | default "/cache" -}}
{{- $engine := .w.engine -}}
{{- $env := dict "HOME" $at "USER" "vllm" "HF_HOME" (print $at "/huggingface")
      "TORCHINDUCTOR_CACHE_DIR" (print $at "/torchinductor") "TRITON_CACHE_DIR" (print $at "/triton") -}}
{{- range $name, $folder := $engine.cacheEnv }}{{ $_ := set $env $name (print $at "/" $folder) }}{{ end -}}
{{- if and .w.budgetSeconds $engine.budgetEnv }}{{ $_ := set $env $engine.budgetEnv .w.budgetSeconds }}{{ end -}}
{{- if $body.tls.existingSecret }}{{ with $engine.features }}{{ $_ := set $env .tls.poll "true" }}{{ end }}{{ end -}}
{{- if $body.lora.dynamic }}{{ with $engine.openEndpoints }}{{ $_ := set $env .adapters "1" }}{{ end }}{{ end -}}
{{- $secrets := .root.resolved.secretEnv -}}
{{- if and $secrets.VLLM_API_KEY (ne $engine.apiKeyEnv "VLLM_API_KEY") -}}
{{- $key := $secrets.VLLM_API_KEY }}{{ $secrets = omit $secrets "VLLM_API_KEY" -}}
{{- with $engine.apiKeyEnv }}{{ $_ := set $secrets . $key }}{{ end -}}
{{- end -}}
{{- range $from := list $engine.env $secrets (.w.podEnv | default dict) (.w.traceEnv | default dict) (.w.sourceEnv | default dict) $body.env }}{{ range $name, $value := $from }}{{ $_ := set $env $name $value }}{{ end }}{{ end -}}
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

{{/* The security context of every container that the chart adds beside the engine. */}}
{{- define "vllm-stack.restricted" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end -}}
