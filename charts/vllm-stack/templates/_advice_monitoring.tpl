{{/* root -> lines for NOTES about what reads the metrics */}}
{{- define "vllm-stack.monitoringAdvice" -}}
{{- $m := .Values.monitoring | default dict }}{{ $monitor := $m.podMonitor | default dict }}{{ $policy := .Values.networkPolicy | default dict -}}
{{- if and $monitor.enabled (not $monitor.labels) }}
- A Prometheus of kube-prometheus-stack reads only monitors with its label; set monitoring.podMonitor.labels, for example {release: kube-prometheus-stack}, unless yours takes all. See: kubectl get prometheus --all-namespaces --output jsonpath={..podMonitorSelector}
{{- end }}
{{- if and (or $monitor.enabled $m.scrapeAnnotations) $policy.enabled (not $policy.scrapeFrom) }}
- networkPolicy.scrapeFrom is empty: Prometheus reads the metrics only where networkPolicy.from lets it in.
{{- end }}
{{- end -}}
