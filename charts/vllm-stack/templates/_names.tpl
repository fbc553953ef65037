{{/* Every name of the chart, and the only place that knows how they are made. */}}

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

{{/* {root, w} -> the Service of one variant alone; the model's Service has the name of its main variant */}}
{{- define "vllm-stack.variantServiceName" -}}
{{- template "vllm-stack.name" (dict "full" (printf "%s-%s-%s-only" .root.Release.Name .w.model .w.variant) "limit" 63) -}}
{{- end -}}

{{/* [model's name, tier] -> the InferenceObjective of a tier */}}
{{- define "vllm-stack.objectiveName" -}}
{{- template "vllm-stack.name" (dict "full" (join "-" .) "limit" 63) -}}
{{- end -}}

{{- define "vllm-stack.serviceAccountName" -}}
{{- $account := .Values.serviceAccount | default dict -}}
{{- if $account.name }}{{ $account.name }}
{{- else if $account.create }}{{ template "vllm-stack.name" (dict "full" (print .Release.Name "-engine") "limit" 63) }}
{{- else }}default{{ end -}}
{{- end -}}

{{/* [workload, claim] -> the ResourceClaimTemplate of a claim of its pods */}}
{{- define "vllm-stack.claimTemplateName" -}}
{{- template "vllm-stack.name" (dict "full" (join "-" .) "limit" 63) -}}
{{- end -}}

{{/* root -> the PodMonitor and the PrometheusRule of the release */}}
{{- define "vllm-stack.monitorName" -}}
{{- template "vllm-stack.name" (dict "full" (print .Release.Name "-engines") "limit" 63) -}}
{{- end -}}

{{/* root -> the collector of the release: its Deployment, Service and ConfigMap */}}
{{- define "vllm-stack.collectorName" -}}
{{- template "vllm-stack.name" (dict "full" (print .Release.Name "-collector") "limit" 63) -}}
{{- end -}}

{{/* [root, dashboard] -> the ConfigMap of a dashboard */}}
{{- define "vllm-stack.dashboardName" -}}
{{- template "vllm-stack.name" (dict "full" (printf "%s-dashboard-%s" (first .).Release.Name (last .)) "limit" 63) -}}
{{- end -}}

{{/* {root, kind} -> the Secret that holds secrets.<kind>, existing or made by the chart; empty without one */}}
{{- define "vllm-stack.secretName" -}}
{{- $secret := index (.root.Values.secrets | default dict) .kind | default dict -}}
{{- if $secret.existingSecret }}{{ $secret.existingSecret }}
{{- else if or $secret.token $secret.value -}}
{{- template "vllm-stack.name" (dict "full" (print .root.Release.Name "-" (kebabcase .kind)) "limit" 63) -}}
{{- end -}}
{{- end -}}
