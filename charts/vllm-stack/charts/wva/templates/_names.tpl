{{/* Every name and label of the chart. The controller reads ConfigMaps only with the name label that is set here. */}}

{{/* {full, limit} -> a DNS-1035 name of at most limit characters; what was changed or cut is told apart by a hash. */}}
{{- define "wva.name" -}}
{{- $name := .full | replace "." "-" -}}
{{- if lt $name "a" }}{{ $name = print "r" $name }}{{ end -}}
{{- if and (eq $name .full) (le (len $name) .limit) -}}
{{- $name -}}
{{- else -}}
{{- trunc (int (sub .limit 9)) $name | trimSuffix "-" }}-{{ sha256sum .full | trunc 8 -}}
{{- end -}}
{{- end -}}

{{/* root -> <release>-wva, or the release's name where that says so already */}}
{{- define "wva.fullname" -}}
{{- $full := .Release.Name }}{{ if not (contains "wva" $full) }}{{ $full = print $full "-wva" }}{{ end -}}
{{- template "wva.name" (dict "full" $full "limit" 52) -}}
{{- end -}}

{{/* root -> the name of objects without a namespace */}}
{{- define "wva.clusterName" -}}
{{- .Release.Namespace }}-{{ template "wva.fullname" . -}}
{{- end -}}

{{- define "wva.serviceAccountName" -}}
{{- (.Values.serviceAccount).name | default (include "wva.fullname" .) -}}
{{- end -}}

{{/* root -> the account whose token endpoint pickers get */}}
{{- define "wva.pickerName" -}}
{{- template "wva.fullname" . }}-picker
{{- end -}}

{{/* root -> the selector; a user can set nothing in it */}}
{{- define "wva.selector" -}}
app.kubernetes.io/name: workload-variant-autoscaler
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: controller
{{- end -}}

{{/* root -> the labels of every object */}}
{{- define "wva.labels" -}}
{{ template "wva.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .resolved.version | quote }}
{{- range $name, $value := .Values.commonLabels }}
{{ $name }}: {{ quote $value }}
{{- end }}
{{- end -}}

{{/* [root, own] -> the annotations of an object: commonAnnotations, then its own. Nothing when there are none. */}}
{{- define "wva.annotations" -}}
{{- $own := last . | default dict }}{{ $common := (first .).Values.commonAnnotations -}}
{{- if or $own $common }}
  annotations: {{ mergeOverwrite (deepCopy ($common | default dict)) $own | toJson }}
{{- end }}
{{- end -}}
