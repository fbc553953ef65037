{{/* root -> JSON list of what is wrong with networkPolicy and with labels that the chart sets itself */}}
{{- define "vllm-stack.securityErrors" -}}
{{- $errors := list }}{{ $policy := .Values.networkPolicy | default dict -}}
{{- if and $policy.enabled (not $policy.from) -}}
{{- $errors = append $errors "networkPolicy.from: is empty, so that nobody could call the models; set peers, for example [{podSelector: {}}] for every pod of the namespace" -}}
{{- end -}}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/managed-by" "app.kubernetes.io/version" -}}
{{- range $name, $_ := .Values.commonLabels -}}
{{- if or (has $name $own) (hasPrefix "vllm-stack.io/" $name) -}}
{{- $errors = append $errors (printf "commonLabels.%s: is a label of the chart; remove it" $name) -}}
{{- end -}}
{{- end -}}
{{- range $w := .resolved.workloads -}}
{{- range $key, $labels := dict "workloadLabels" $w.body.workloadLabels "service.labels" $w.body.service.labels -}}
{{- range $name, $_ := $labels -}}
{{- if or (has $name $own) (hasPrefix "vllm-stack.io/" $name) -}}
{{- $errors = append $errors (printf "%s.%s.%s: the object has this label already; remove it" $w.path $key $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- uniq $errors | toJson -}}
{{- end -}}
