{{/* root -> the configuration of the collector as YAML: OTLP in, batches out to every exporter. */}}
{{- define "vllm-stack.collectorConfig" -}}
{{- $exporters := .Values.monitoring.collector.exporters -}}
{{- $pipeline := dict "receivers" (list "otlp") "processors" (list "memory_limiter" "batch") "exporters" (keys $exporters | sortAlpha) -}}
{{- $otlp := dict "protocols" (dict "grpc" (dict "endpoint" "0.0.0.0:4317") "http" (dict "endpoint" "0.0.0.0:4318")) -}}
{{- $limiter := dict "check_interval" "1s" "limit_percentage" 80 "spike_limit_percentage" 20 -}}
{{- $config := dict
      "receivers" (dict "otlp" $otlp)
      "processors" (dict "memory_limiter" $limiter "batch" dict)
      "exporters" $exporters
      "extensions" (dict "health_check" (dict "endpoint" "0.0.0.0:13133"))
      "service" (dict "extensions" (list "health_check") "pipelines" (dict "traces" $pipeline)) -}}
{{- toYaml $config -}}
{{- end -}}
