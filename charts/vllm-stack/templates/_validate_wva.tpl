{{/* The rules of autoscaling.mode wva, see _validate.tpl. */}}

{{/* {root, w} */}}
{{- define "vllm-stack.validateWva" -}}
{{- $a := .w.body.autoscaling -}}
{{- range $key := list "metrics" "triggers" -}}
{{- if get $a $key -}}
{{- template "vllm-stack.error" (list $ (print "autoscaling." $key) (print "mode wva decides by the controller's own analysis; remove " $key ", or set mode: keda")) -}}
{{- end -}}
{{- end -}}
{{- if eq .w.scaleTarget.kind "StatefulSet" -}}
{{- template "vllm-stack.error" (list . "autoscaling.mode" "wva scales Deployments and LeaderWorkerSets, no StatefulSet; set workload: deployment, or mode: keda") -}}
{{- end -}}
{{- if hasKey (.w.body.podLabels | default dict) "llm-d.ai/variant" -}}
{{- template "vllm-stack.error" (list . "podLabels.llm-d.ai/variant" "the chart sets it to the name of the scaler; remove it") -}}
{{- end -}}
{{- if .w.variantAutoscaling -}}
{{/* Version 0.7, internal/constants: the labels by which it reads the accelerator from a pod's node selector. */}}
{{- $selected := pick (.w.body.scheduling.nodeSelector | default dict) "nvidia.com/gpu.product" "amd.com/gpu.product-name" "cloud.google.com/gke-accelerator" -}}
{{- if not (or .w.body.accelerator.product $selected) -}}
{{- template "vllm-stack.error" (list . "accelerator.product" "version 0.7 of the Workload Variant Autoscaler publishes nothing for a variant whose accelerator it cannot name; set it, or scaling.wvaApi: annotations") -}}
{{- end -}}
{{- range $annotation, $_ := $a.annotations -}}
{{- if has $annotation (list "llm-d.ai/managed" "llm-d.ai/model-id" "llm-d.ai/variant-cost") -}}
{{- template "vllm-stack.error" (list $ (print "autoscaling.annotations." $annotation) "version 0.7 of the Workload Variant Autoscaler reads no annotations; remove it, or set scaling.wvaApi: annotations") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* root -> JSON list of what is wrong between the models and the controller that this release installs */}}
{{- define "vllm-stack.wvaErrors" -}}
{{- $errors := list }}{{ $own := .Values.wva | default dict }}{{ $wva := .resolved.wva -}}
{{- if eq (toString $own.enabled) "true" -}}
{{- if ne $wva.api ($own.api | default "annotations") -}}
{{- $errors = append $errors (printf "scaling.wvaApi: the controller of this release reads %s, by wva.api; set the same, or leave it empty" $own.api) -}}
{{- end -}}
{{- if ne $wva.instance ($own.controllerInstance | default "") -}}
{{- $errors = append $errors "scaling.wvaInstance: the controller of this release has another wva.controllerInstance; set the same, or leave it empty" -}}
{{- end -}}
{{- $scope := $own.namespaceScope | default dict -}}
{{- if and $scope.enabled $scope.namespace (ne (toString $scope.namespace) .Release.Namespace) -}}
{{- $errors = append $errors (printf "wva.namespaceScope.namespace: the models are in %s, which the controller would not see; leave it empty" .Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
