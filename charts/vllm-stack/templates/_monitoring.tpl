{{/* How the metrics of engines are reached. */}}

{{/* workload -> the name of the port of its pods that tells metrics */}}
{{- define "vllm-stack.metricsPort" -}}
{{- .engine.metrics.port | default .portName -}}
{{- end -}}

{{/* workload -> the path that tells metrics; empty where there is none */}}
{{- define "vllm-stack.metricsPath" -}}
{{- ternary .engine.metricsPath .engine.metrics.path (hasKey .engine "metricsPath") -}}
{{- end -}}

{{/*
root -> JSON list: one entry for each way in which metrics are read, {port, path, secret, server, workloads}. Most
releases have one, whatever the number of models: `workloads`, as <model>;<variant>, then need not be told apart.
*/}}
{{- define "vllm-stack.scrapeGroups" -}}
{{- $groups := dict -}}
{{- range $m := .resolved.models -}}
{{- range $w := $m.workloads -}}
{{- $path := include "vllm-stack.metricsPath" $w }}{{ $port := include "vllm-stack.metricsPort" $w -}}
{{- $secret := $w.body.tls.existingSecret | default "" }}{{ $server := ternary $m.name "" (ne $secret "") -}}
{{- $key := printf "%s %s %s %s" $port $path $secret $server -}}
{{- if not (hasKey $groups $key) -}}
{{- $_ := set $groups $key (dict "port" $port "path" $path "secret" $secret "server" $server "workloads" list) -}}
{{- end -}}
{{- $group := get $groups $key -}}
{{- $_ := set $group "workloads" (append $group.workloads (print $w.model ";" $w.variant)) -}}
{{- end -}}
{{- end -}}
{{- $list := list }}{{ range $_, $group := $groups }}{{ $list = append $list $group }}{{ end -}}
{{- toJson $list -}}
{{- end -}}

{{/* {root, w} -> annotations of the pod for a Prometheus without the operator; those that a user sets stay */}}
{{- define "vllm-stack.scrapeAnnotations" -}}
{{- $port := .w.port -}}
{{- with .w.engine.metrics.port }}{{ $port = index $.w.engine.ports . }}{{ end -}}
{{- $own := dict "prometheus.io/scrape" "true" "prometheus.io/path" (include "vllm-stack.metricsPath" .w) "prometheus.io/port" $port -}}
{{- if .w.body.tls.existingSecret }}{{ $_ := set $own "prometheus.io/scheme" "https" }}{{ end -}}
{{- range $name, $value := $own }}{{ if not (hasKey ($.w.body.podAnnotations | default dict) $name) }}
        {{ $name }}: {{ include "vllm-stack.scalar" $value | quote }}
{{- end }}{{ end -}}
{{- end -}}
