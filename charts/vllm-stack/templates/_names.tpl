{{/*
Every name and label of the chart, and the only place that knows how they are made.
A selector holds nothing that a user can set beside the names of release, model and variant.
*/}}

{{/* {full, limit} -> a DNS-1035 name of at most limit characters; what was changed or cut is told apart by a hash. */}}
{{- define "vllm-stack.name" -}}
{{- if and (le (len .full) .limit) (ge .full "a") (not (contains "." .full)) -}}
{{- .full -}}
{{- else -}}
{{- $name := .full | replace "." "-" -}}
{{- if lt $name "a" }}{{ $name = print "r" $name }}{{ end -}}
{{- trunc (int (sub .limit 9)) $name | trimSuffix "-" }}-{{ sha256sum .full | trunc 8 -}}
{{- end -}}
{{- end -}}

{{/* root -> labels of objects that belong to the whole release */}}
{{- define "vllm-stack.releaseLabels" -}}
app.kubernetes.io/name: vllm-stack
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{ include "vllm-stack.moreLabels" . }}
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

{{/* [labels as text, own] -> the labels of an object: its own win over commonLabels, as those of pods do */}}
{{- define "vllm-stack.labels" -}}
{{- if last . }}{{ mergeOverwrite (first . | fromYaml) (last .) | toYaml }}{{ else }}{{ first . }}{{ end -}}
{{- end -}}

{{/* [root, own] -> the annotations of an object: commonAnnotations, then its own. Nothing when there are none. */}}
{{- define "vllm-stack.annotations" -}}
{{- $own := last . | default dict }}{{ $common := (first .).Values.commonAnnotations -}}
{{- if or $own $common }}
  annotations: {{ mergeOverwrite (deepCopy ($common | default dict)) $own | toJson }}
{{- end }}
{{- end -}}

{{/* {root, w} -> the Service of one variant alone; the model's Service has the name of its main variant */}}
{{- define "vllm-stack.variantServiceName" -}}
{{- include "vllm-stack.name" (dict "full" (printf "%s-%s-%s-only" .root.Release.Name .w.model .w.variant) "limit" 63) -}}
{{- end -}}

{{/* [model's name, tier] -> the InferenceObjective of a tier */}}
{{- define "vllm-stack.objectiveName" -}}
{{- include "vllm-stack.name" (dict "full" (join "-" .) "limit" 63) -}}
{{- end -}}

{{- define "vllm-stack.serviceAccountName" -}}
{{- $account := .Values.serviceAccount | default dict -}}
{{- if $account.name }}{{ $account.name }}
{{- else if $account.create }}{{ include "vllm-stack.name" (dict "full" (print .Release.Name "-engine") "limit" 63) }}
{{- else }}default{{ end -}}
{{- end -}}

{{/* [workload, claim] -> the ResourceClaimTemplate of a claim of its pods */}}
{{- define "vllm-stack.claimTemplateName" -}}
{{- include "vllm-stack.name" (dict "full" (join "-" .) "limit" 63) -}}
{{- end -}}

{{/* root -> the PodMonitor and the PrometheusRule of the release */}}
{{- define "vllm-stack.monitorName" -}}
{{- include "vllm-stack.name" (dict "full" (print .Release.Name "-engines") "limit" 63) -}}
{{- end -}}

{{/* root -> the collector of the release: its Deployment, Service and ConfigMap */}}
{{- define "vllm-stack.collectorName" -}}
{{- include "vllm-stack.name" (dict "full" (print .Release.Name "-collector") "limit" 63) -}}
{{- end -}}

{{/* root -> its selector: that of no engine */}}
{{- define "vllm-stack.collectorSelector" -}}
app.kubernetes.io/name: vllm-stack
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: collector
{{- end -}}

{{/* [root, dashboard] -> the ConfigMap of a dashboard */}}
{{- define "vllm-stack.dashboardName" -}}
{{- include "vllm-stack.name" (dict "full" (printf "%s-dashboard-%s" (first .).Release.Name (last .)) "limit" 63) -}}
{{- end -}}

{{/* {root, kind} -> the Secret that holds secrets.<kind>, existing or made by the chart; empty without one */}}
{{- define "vllm-stack.secretName" -}}
{{- $secret := index (.root.Values.secrets | default dict) .kind | default dict -}}
{{- if $secret.existingSecret }}{{ $secret.existingSecret }}
{{- else if or $secret.token $secret.value -}}
{{- include "vllm-stack.name" (dict "full" (print .root.Release.Name "-" (kebabcase .kind)) "limit" 63) -}}
{{- end -}}
{{- end -}}
