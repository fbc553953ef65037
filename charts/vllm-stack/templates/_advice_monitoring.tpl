{{/* root -> lines for NOTES about what reads the metrics */}}
{{- define "vllm-stack.monitoringAdvice" -}}
{{- $m := .Values.monitoring | default dict }}{{ $monitor := $m.podMonitor | default dict }}{{ $policy := .Values.networkPolicy | default dict -}}
{{- if and $monitor.enabled (not $monitor.labels) }}
- A Prometheus of kube-prometheus-stack reads only monitors with its label; set monitoring.podMonitor.labels, for example {release: kube-prometheus-stack}, unless yours takes all. See: kubectl get prometheus --all-namespaces --output jsonpath={..podMonitorSelector}
{{- end }}
{{- if and ($m.rules | default dict).enabled (not $monitor.enabled) }}
- monitoring.rules read series with the labels namespace, pod, release, model, variant and role; podMonitor sets them, any other way to scrape must do so too (docs/monitoring.md).
{{- end }}
{{- if and (or $monitor.enabled $m.scrapeAnnotations) $policy.enabled (not $policy.scrapeFrom) }}
- networkPolicy.scrapeFrom is empty: Prometheus reads the metrics only where networkPolicy.from lets it in.
{{- end }}
{{- end -}}
