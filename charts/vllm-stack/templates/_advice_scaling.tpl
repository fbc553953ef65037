{{/* root -> lines for NOTES about workloads that a scaler owns */}}
{{- define "vllm-stack.scalingAdvice" -}}
{{- $scaled := list -}}
{{- range $w := .resolved.scaled }}
{{- $scaled = append $scaled $w.path }}
{{- if eq $w.leastReplicas 0 }}
- {{ $w.path }}: while it has no pods, its Service refuses every connection until one is ready ({{ $w.budgetSeconds }} s at most), and `helm test` fails.
{{- end }}
{{- if and (eq $w.body.autoscaling.mode "wva") (not $w.variantAutoscaling) (not $w.body.accelerator.product) }}
- {{ $w.path }}: without accelerator.product the Workload Variant Autoscaler calls its accelerator "unresolved"; set it.
{{- end }}
{{- if and (eq $w.body.autoscaling.mode "wva") (hasPrefix "nvidia.com/mig-" ($w.body.accelerator.resource | default "")) }}
- {{ $w.path }}: the Workload Variant Autoscaler counts no {{ $w.body.accelerator.resource }}, so its GPU limiter ignores this variant.
{{- end }}
{{- if and (eq $w.body.autoscaling.mode "wva") (eq $w.leastReplicas 0) }}
- {{ $w.path }}: only an InferencePool with flow control wakes a model that the Workload Variant Autoscaler left without pods.
{{- end }}
{{- end }}
{{- with $scaled }}
- Whether their metrics can be had is told by: kubectl describe hpa --namespace {{ $.Release.Namespace }}
- A scaler decides how many pods run ({{ join ", " . }}). When it is turned on for pods that run already, Helm first resets them to 1: set minReplicas and maxReplicas to their present number in that upgrade, and other numbers in the next one (docs/scaling.md).
{{- end }}
{{- end -}}
