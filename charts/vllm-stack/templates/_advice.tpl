{{/* root -> lines for NOTES: what is no error, but should be known. */}}
{{- define "vllm-stack.advice" -}}
{{- $single := "" -}}
{{- range $w := .resolved.workloads }}
{{- range $w.advice }}
- {{ $w.path }}: {{ . }}
{{- end }}
{{- if $w.kindChosen }}
{{- if eq $w.kind "LeaderWorkerSet" }}
- {{ $w.path }}: needs the LeaderWorkerSet controller in the cluster, and `helm --wait` does not wait until it is ready; the command above does.
{{- end }}
{{- if $w.ownClaims }}
- {{ $w.path }}: size, class and access modes of its claims are fixed once it exists; docs/workloads.md says how to change them.
{{- end }}
{{- end }}
{{- end }}
{{- range $m := .resolved.models }}
{{- if $m.disaggregated }}
- models.{{ $m.key }}: its Service leads to decode, which then also reads the prompts; only a router that knows both roles sends prompts to prefill (docs/workloads.md).
{{- end }}
{{- $replicas := 0 }}{{ range $m.workloads }}{{ $replicas = add $replicas .leastReplicas }}{{ end }}
{{- if eq $replicas 1 }}{{ $single = print $single ", " $m.key }}{{ end }}
{{- end }}
{{- range .resolved.downloads }}
{{- if and (hasPrefix "hf://" .source.uri) (not (regexMatch "^[0-9a-f]{40}$" (.source.revision | default ""))) }}
- {{ .w.path }}: the Job fetches {{ .source.uri }} once; what its branch gets later is not seen. Set source.revision to a commit.
{{- end }}
{{- end }}
{{- with $single }}
- One replica only: {{ trimPrefix ", " . }}. A rollout or a node drain stops the model until its pod is loaded again; set replicas: 2 to serve without a gap.
{{- end }}
{{- template "vllm-stack.scalingAdvice" . }}
{{- $existing := list }}{{ range .Values.secrets }}{{ $existing = append $existing .existingSecret }}{{ end }}
{{- with compact $existing }}
- A changed Secret that exists outside the release does not restart pods ({{ join ", " . }}); set defaults.rollout.restartedAt to a new text.
{{- end }}
{{- $routed := ne ((.Values.routing).kind | default "none") "none" }}
{{- if and (not $routed) (.Values.routing).routes }}
- routing.routes render nothing while routing.kind is none; set kind: gateway, or another one.
{{- end }}
{{- template "vllm-stack.featureAdvice" . }}
{{- template "vllm-stack.clusterAdvice" . }}
{{- template "vllm-stack.monitoringAdvice" . }}
{{- if and (not $routed) (not .resolved.secretEnv.VLLM_API_KEY) (not (.Values.networkPolicy).enabled) }}
- Every pod of the cluster may call the models; set secrets.apiKey to ask for a key, and routing to let requests in from outside.
{{- end }}
{{- end -}}

{{/* A quantity -> MiB, for comparing; suffixes as Kubernetes has them. */}}
{{- define "vllm-stack.mebibytes" -}}
{{- $text := include "vllm-stack.scalar" . -}}
{{- $unit := regexFind "[a-zA-Z]+$" $text -}}
{{- $factor := get (dict "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0) $unit | default 1.0 -}}
{{- divf (mulf (trimSuffix $unit $text | float64) $factor) 1048576.0 -}}
{{- end -}}
