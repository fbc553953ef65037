{{/*
{root, w} -> what a model traces and logs: flags to w.featureArgs, OpenTelemetry's own environment to w.traceEnv, and the
port that its pods must reach to w.tracePort.
*/}}
{{- define "vllm-stack.observe" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $flags := $w.engine.features | default dict }}{{ $args := $w.featureArgs -}}
{{- $logging := $body.logging }}{{ $tracing := $body.tracing -}}
{{- if not $flags.tracing -}}
{{- range $key, $set := dict "tracing" $tracing.enabled "logging" (or $logging.level $logging.quietPaths (ne ($logging.format | default "text") "text")) -}}
{{- if $set }}{{ template "vllm-stack.error" (list $ $key (printf "engine %s has no setting for it here; remove it, write the engine's own flags in args, or set engine: vllm" $body.engine)) }}{{ end -}}
{{- end -}}
{{- else -}}
{{- if eq ($logging.format | default "text") "json" }}{{ $args = append $args (print $flags.logging.format "=json") }}{{ end -}}
{{- with $logging.level }}{{ $args = append $args (print $flags.logging.level "=" .) }}{{ end -}}
{{- with $logging.quietPaths }}{{ $args = append $args (print $flags.logging.quietPaths "=" (join "," .)) }}{{ end -}}
{{- if $tracing.enabled -}}
{{- $protocol := $tracing.protocol | default "grpc" }}{{ $grpc := eq $protocol "grpc" -}}
{{- $endpoint := $tracing.endpoint -}}
{{- if not $endpoint -}}
{{- $endpoint = printf "http://%s.%s:%s" (include "vllm-stack.collectorName" .root) .root.Release.Namespace (ternary "4317" "4318/v1/traces" $grpc) -}}
{{- end -}}
{{- $args = append $args (print $flags.tracing.endpoint "=" $endpoint) -}}
{{- with $tracing.detailed }}{{ $args = concat (append $args $flags.tracing.detailed) . }}{{ end -}}
{{- $port := regexFind ":[0-9]+" (regexReplaceAll "^https?://" $endpoint "") | trimPrefix ":" -}}
{{- $_ := set $w "tracePort" ($port | default (ternary "443" "80" (hasPrefix "https" $endpoint))) -}}
{{- template "vllm-stack.traceEnv" (dict "root" .root "w" $w "protocol" $protocol) -}}
{{- end -}}
{{- $_ := set $w "featureArgs" $args -}}
{{- template "vllm-stack.validateObserve" . -}}
{{- end -}}
{{- end -}}

{{/* {root, w, protocol} -> w.traceEnv. Variables are listed by name, and one may only refer to those before it: hence
OTEL_POD_NAME and OTEL_NODE_NAME, which the attributes name. */}}
{{- define "vllm-stack.traceEnv" -}}
{{- $w := .w }}{{ $tracing := $w.body.tracing -}}
{{- $attributes := list (print "k8s.namespace.name=" .root.Release.Namespace) "k8s.pod.name=$(OTEL_POD_NAME)" "k8s.node.name=$(OTEL_NODE_NAME)"
      (print "vllm_stack.release=" .root.Release.Name) (print "vllm_stack.model=" $w.model) (print "vllm_stack.variant=" $w.variant) -}}
{{- range $name, $value := $tracing.attributes }}{{ $attributes = append $attributes (print $name "=" $value) }}{{ end -}}
{{- $env := dict "OTEL_SERVICE_NAME" (print .root.Release.Name "-" $w.model) "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" .protocol
      "OTEL_POD_NAME" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name")))
      "OTEL_NODE_NAME" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "spec.nodeName")))
      "OTEL_RESOURCE_ATTRIBUTES" (join "," $attributes) -}}
{{- if hasKey $tracing "sampling" -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER" "parentbased_traceidratio" -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER_ARG" (include "vllm-stack.scalar" $tracing.sampling) -}}
{{- end -}}
{{- $_ := set $w "traceEnv" $env -}}
{{- end -}}

{{/* {root, w}: what cannot be traced or logged, or is said twice */}}
{{- define "vllm-stack.validateObserve" -}}
{{- $w := .w }}{{ $tracing := $w.body.tracing }}{{ $flags := $w.engine.features -}}
{{- if and $tracing.enabled (not $tracing.endpoint) (not ((.root.Values.monitoring).collector | default dict).enabled) -}}
{{- template "vllm-stack.error" (list . "tracing.endpoint" "is empty, and the release has no collector; set the address, or monitoring.collector.enabled") -}}
{{- end -}}
{{- if and $tracing.enabled $tracing.endpoint (eq ($tracing.protocol | default "grpc") "http/protobuf") (not (regexMatch "^https?://[^/]+/." $tracing.endpoint)) -}}
{{- template "vllm-stack.error" (list . "tracing.endpoint" (printf "by http/protobuf spans go to a path, and %s has none; add /v1/traces" $tracing.endpoint)) -}}
{{- end -}}
{{- range $own := list (list "tracing" "endpoint" $tracing.enabled) (list "tracing" "detailed" $tracing.enabled) (list "logging" "format" (eq (toString $w.body.logging.format) "json")) (list "logging" "level" $w.body.logging.level) (list "logging" "quietPaths" $w.body.logging.quietPaths) -}}
{{- $flag := get (get $flags (first $own)) (index $own 1) | trimPrefix "--" -}}
{{- if and (last $own) (hasKey $w.body.args $flag) -}}
{{- template "vllm-stack.error" (list $ (print "args." $flag) (printf "%s.%s sets this flag; remove one of them" (first $own) (index $own 1))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
