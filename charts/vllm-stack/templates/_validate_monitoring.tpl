{{/* root -> JSON list of what is wrong with `monitoring` */}}
{{- define "vllm-stack.monitoringErrors" -}}
{{- $errors := list }}{{ $m := .Values.monitoring | default dict }}{{ $monitor := $m.podMonitor | default dict -}}
{{- if $monitor.enabled -}}
{{- $tls := $monitor.tls | default dict }}{{ $read := 0 -}}
{{- $taken := include "vllm-stack.releaseLabels" . | fromYaml -}}
{{- range $name, $_ := $monitor.labels }}{{ if hasKey $taken $name -}}
{{- $errors = append $errors (printf "monitoring.podMonitor.labels.%s: the PodMonitor has this label already; remove it" $name) -}}
{{- end }}{{ end -}}
{{- if $m.scrapeAnnotations -}}
{{- $errors = append $errors "monitoring.scrapeAnnotations: podMonitor scrapes the pods already, and whoever reads both would count everything twice; set one of them" -}}
{{- end -}}
{{- if and $monitor.interval $monitor.scrapeTimeout -}}
{{- if gt (include "vllm-stack.seconds" $monitor.scrapeTimeout | int) (include "vllm-stack.seconds" $monitor.interval | int) -}}
{{- $errors = append $errors (printf "monitoring.podMonitor.scrapeTimeout: %s is longer than interval, %s, which Prometheus refuses; lower it, or raise the other" $monitor.scrapeTimeout $monitor.interval) -}}
{{- end -}}
{{- end -}}
{{- range $w := .resolved.workloads -}}
{{- if include "vllm-stack.metricsPath" $w }}{{ $read = add1 $read }}{{ end -}}
{{- if and $w.body.tls.existingSecret $tls.caKey (not $tls.insecureSkipVerify) $monitor.namespace (ne $monitor.namespace $.Release.Namespace) -}}
{{- $errors = append $errors (printf "monitoring.podMonitor.namespace: the CA of %s.tls is in %s, where a PodMonitor of %s cannot read it; set \"\", or tls.caKey: \"\"" $w.path $.Release.Namespace $monitor.namespace) -}}
{{- end -}}
{{- end -}}
{{- if and .resolved.workloads (not $read) -}}
{{- $errors = append $errors "monitoring.podMonitor.enabled: no engine of the release tells metrics; set false, or custom.metricsPath" -}}
{{- end -}}
{{- end -}}
{{- if or $monitor.enabled $m.scrapeAnnotations -}}
{{- range $w := .resolved.workloads -}}
{{- if eq (toString (index ($w.body.args | default dict) "disable-log-stats")) "true" -}}
{{- $errors = append $errors (print $w.path ".args.disable-log-stats: the engine then tells no metrics, and monitoring reads them; set false") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- uniq $errors | toJson -}}
{{- end -}}

{{/* a duration such as 15s -> its seconds */}}
{{- define "vllm-stack.seconds" -}}
{{- mul (regexFind "^[0-9]+" . | int) (get (dict "s" 1 "m" 60 "h" 3600) (regexFind "[smh]$" .)) -}}
{{- end -}}
