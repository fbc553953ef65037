{{/* root -> JSON list of what is wrong with networkPolicy and with labels that the chart sets itself */}}
{{- define "vllm-stack.securityErrors" -}}
{{- $errors := list }}{{ $policy := .Values.networkPolicy | default dict -}}
{{- if and $policy.enabled (not $policy.from) -}}
{{- $errors = append $errors "networkPolicy.from: is empty, so that nobody could call the models; set peers, for example [{podSelector: {}}] for every pod of the namespace" -}}
{{- end -}}
{{- range $name, $_ := .Values.commonLabels -}}
{{- if include "vllm-stack.ownLabel" $name -}}
{{- $errors = append $errors (printf "commonLabels.%s: is a label of the chart; remove it" $name) -}}
{{- end -}}
{{- end -}}
{{- uniq $errors | toJson -}}
{{- end -}}

{{/* {root, w} of a shape: the labels that a user gives its objects */}}
{{- define "vllm-stack.validateLabels" -}}
{{- range $key, $labels := dict "workloadLabels" .w.body.workloadLabels "service.labels" .w.body.service.labels -}}
{{- range $name, $_ := $labels -}}
{{- if include "vllm-stack.ownLabel" $name -}}
{{- template "vllm-stack.error" (list $ (print $key "." $name) "the object has this label already; remove it") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* the name of a label -> not empty when the chart sets it */}}
{{- define "vllm-stack.ownLabel" -}}
{{- if or (hasPrefix "vllm-stack.io/" .) (has . (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/managed-by" "app.kubernetes.io/version")) }}true{{ end -}}
{{- end -}}
