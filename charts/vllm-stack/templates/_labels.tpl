{{/*
Every selector, label and annotation of the chart's objects. A selector holds nothing that a user can set beside the names
of release, model and variant.
*/}}

{{/* root -> labels of objects that belong to the whole release */}}
{{- define "vllm-stack.releaseLabels" -}}
app.kubernetes.io/name: vllm-stack
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{ template "vllm-stack.moreLabels" . }}
{{- end -}}

{{/* root -> the start of every selector; model and variant follow it. The Service of a model leaves the variant out. */}}
{{- define "vllm-stack.selector" -}}
app.kubernetes.io/name: vllm-stack
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: engine
vllm-stack.io/role: server
{{- end -}}

{{/* root -> what follows a selector to make the labels of an object */}}
{{- define "vllm-stack.moreLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- range $name, $value := .Values.commonLabels }}
{{ $name }}: {{ quote $value }}
{{- end }}
{{- end -}}

{{/* [labels as text, own] -> the labels of an object that has some of its own: they win over commonLabels, as those of pods do */}}
{{- define "vllm-stack.labels" -}}
{{- mergeOverwrite (first . | fromYaml) (last .) | toYaml -}}
{{- end -}}

{{/* [root, own] -> the annotations of an object: commonAnnotations, then its own. Nothing when there are none. */}}
{{- define "vllm-stack.annotations" -}}
{{- $own := last . | default dict }}{{ $common := (first .).Values.commonAnnotations -}}
{{- if or $own $common }}
  annotations: {{ mergeOverwrite (deepCopy ($common | default dict)) $own | toJson }}
{{- end }}
{{- end -}}

{{/* root -> the selector of the collector: that of no engine */}}
{{- define "vllm-stack.collectorSelector" -}}
app.kubernetes.io/name: vllm-stack
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: collector
{{- end -}}
