{{/* A workload that the Workload Variant Autoscaler decides about: how its controller finds it. */}}

{{/* root -> .resolved.wva, {api, instance}: what the controller reads, and the name it takes objects by */}}
{{- define "vllm-stack.resolveWva" -}}
{{- $scaling := .Values.scaling | default dict }}{{ $own := dict -}}
{{- if eq (toString (.Values.wva).enabled) "true" }}{{ $own = .Values.wva }}{{ end -}}
{{- $api := $scaling.wvaApi | default $own.api | default "annotations" -}}
{{- $_ := set .resolved "wva" (dict "api" $api "instance" ($scaling.wvaInstance | default $own.controllerInstance | default "")) -}}
{{- end -}}

{{/* {root, w, annotations} -> adds to w and to the annotations of its scaler what the controller reads */}}
{{- define "vllm-stack.wvaVariant" -}}
{{- $w := .w }}{{ if not .root.resolved.wva }}{{ template "vllm-stack.resolveWva" .root }}{{ end -}}
{{- $wva := .root.resolved.wva }}{{ $labels := dict -}}
{{- with $wva.instance }}{{ $_ := set $labels "wva.llmd.ai/controller-instance" . }}{{ end -}}
{{- if eq $wva.api "annotations" -}}
{{- $_ := set $w "wvaVariant" $w.scalerName -}}
{{- $_ := set .annotations "llm-d.ai/managed" "true" -}}
{{- $_ := set .annotations "llm-d.ai/model-id" (first $w.servedNames) -}}
{{- with $w.body.cost }}{{ $_ := set $.annotations "llm-d.ai/variant-cost" . }}{{ end -}}
{{- with $labels }}{{ $_ := set $w "scalerLabels" (toYaml . | print "\n") }}{{ end -}}
{{- else -}}
{{- $spec := dict "modelID" (first $w.servedNames) "scaleTargetRef" $w.scaleTarget "minReplicas" $w.leastReplicas "maxReplicas" $w.replicas -}}
{{- with $w.body.cost }}{{ $_ := set $spec "variantCost" . }}{{ end -}}
{{- with $w.body.accelerator.product -}}
{{- $product := . }}{{ if kindIs "slice" . }}{{ $product = first . }}{{ end -}}
{{- $_ := set $labels "inference.optimization/acceleratorName" $product -}}
{{- end -}}
{{- $_ := set $w "variantAutoscaling" (dict "spec" $spec "labels" $labels) -}}
{{- end -}}
{{- end -}}
