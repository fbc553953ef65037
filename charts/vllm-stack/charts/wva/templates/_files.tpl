{{/* What the controller reads: its configuration file, thresholds, and the Secrets for Prometheus. */}}

{{/* root -> .resolved.config (the keys of config.yaml), .volumes and .mounts */}}
{{- define "wva.files" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $p := $v.prometheus }}{{ $volumes := list }}{{ $mounts := list -}}
{{- $config := dict "PROMETHEUS_BASE_URL" ($p.url | default "") "LEADER_ELECTION_ID" $r.name -}}
{{- if hasPrefix "http://" ($p.url | default "" | lower) }}{{ $_ := set $config "PROMETHEUS_ALLOW_HTTP" "true" }}{{ end -}}
{{- if $p.insecureSkipVerify }}{{ $_ := set $config "PROMETHEUS_TLS_INSECURE_SKIP_VERIFY" "true" }}{{ end -}}
{{- with $p.serverName }}{{ $_ := set $config "PROMETHEUS_SERVER_NAME" . }}{{ end -}}
{{- if $p.serviceAccountToken }}{{ $_ := set $config "PROMETHEUS_TOKEN_PATH" "/var/run/secrets/kubernetes.io/serviceaccount/token" }}{{ end -}}
{{- with $v.interval }}{{ $_ := set $config "GLOBAL_OPT_INTERVAL" . }}{{ end -}}
{{- range $volume, $source := dict
      "prometheus-ca" (list "PROMETHEUS_CA_CERT_PATH" $p.caSecret "ca.crt")
      "prometheus-token" (list "PROMETHEUS_TOKEN_PATH" $p.tokenSecret "token") -}}
{{- with index $source 1 }}{{ if .name -}}
{{- $key := .key | default (last $source) -}}
{{- $_ := set $config (first $source) (printf "/etc/%s/%s" $volume $key) -}}
{{- $volumes = append $volumes (dict "name" $volume "secret" (dict "secretName" .name "items" (list (dict "key" $key "path" $key)))) -}}
{{- $mounts = append $mounts (dict "name" $volume "mountPath" (print "/etc/" $volume) "readOnly" true) -}}
{{- end }}{{ end -}}
{{- end -}}
{{- if and $p.caConfigMap.name (not $p.caSecret.name) -}}
{{- $key := $p.caConfigMap.key | default "ca.crt" -}}
{{- $_ := set $config "PROMETHEUS_CA_CERT_PATH" (print "/etc/prometheus-ca/" $key) -}}
{{- $volumes = append $volumes (dict "name" "prometheus-ca" "configMap" (dict "name" $p.caConfigMap.name "items" (list (dict "key" $key "path" $key)))) -}}
{{- $mounts = append $mounts (dict "name" "prometheus-ca" "mountPath" "/etc/prometheus-ca" "readOnly" true) -}}
{{- end -}}
{{- if $p.clientSecret -}}
{{- $_ := set $config "PROMETHEUS_CLIENT_CERT_PATH" "/etc/prometheus-client/tls.crt" -}}
{{- $_ := set $config "PROMETHEUS_CLIENT_KEY_PATH" "/etc/prometheus-client/tls.key" -}}
{{- end -}}
{{/* The path of the pickers' token is fixed in the controller. */}}
{{- range $volume, $where := dict
      "prometheus-client" (list $p.clientSecret "/etc/prometheus-client")
      "metrics-certificate" (list $v.metrics.tlsSecret "/etc/metrics-certificate")
      "picker-token" (list $r.pickerSecret "/var/run/secrets/epp-metrics") -}}
{{- if first $where -}}
{{- $volumes = append $volumes (dict "name" $volume "secret" (dict "secretName" (first $where))) -}}
{{- $mounts = append $mounts (dict "name" $volume "mountPath" (last $where) "readOnly" true) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $r "chartConfig" (keys $config) -}}
{{- range $key, $value := $v.extraConfig }}{{ if not (hasKey $config $key) }}{{ $_ := set $config $key (include "wva.scalar" $value) }}{{ end }}{{ end -}}
{{- $_ := set $r "config" $config -}}
{{- $_ := set $r "volumes" $volumes -}}
{{- $_ := set $r "mounts" $mounts -}}
{{- end -}}

{{/* A number or text as Go reads it: never 1e+06 */}}
{{- define "wva.scalar" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* thresholds -> one entry of the saturation ConfigMap. A zero means unset to the controller, so none is written. */}}
{{- define "wva.saturation" -}}
{{- $entry := pick . "kvCacheThreshold" "queueLengthThreshold" "kvSpareTrigger" "queueSpareTrigger" "priority" "enableLimiter" "enableRescale" "limiters" -}}
{{- if ne (toString .analyzer) "v1" -}}
{{- $entry = merge $entry (pick . "scaleUpThreshold" "scaleDownBoundary") -}}
{{- $_ := set $entry "analyzers" (.analyzers | default (list (dict "name" "saturation"))) -}}
{{- end -}}
{{- range $key, $value := $entry }}{{ if not $value }}{{ $_ := unset $entry $key }}{{ end }}{{ end -}}
{{- toYaml $entry -}}
{{- end -}}
