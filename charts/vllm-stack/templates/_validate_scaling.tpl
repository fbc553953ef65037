{{/* The rules of autoscaling, see _validate.tpl. */}}

{{/* {root, w} of a workload with a scaler */}}
{{- define "vllm-stack.validateScaling" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $a := $body.autoscaling }}{{ $metrics := $a.metrics | default dict -}}
{{- $model := index .root.Values.models $w.model | default dict -}}
{{- if and (ne (toString $w.ownReplicas) "") (or (hasKey $w.own "replicas") (hasKey $model "replicas") (ne (int $w.ownReplicas) 1)) -}}
{{- template "vllm-stack.error" (list . "replicas" (print "autoscaling.mode " $a.mode " decides them; set null, and autoscaling.minReplicas")) -}}
{{- end -}}
{{- if gt $w.leastReplicas $w.replicas -}}
{{- template "vllm-stack.error" (list . "autoscaling.minReplicas" (printf "%d is more than maxReplicas, %d; lower it, or raise the other" $w.leastReplicas $w.replicas)) -}}
{{- end -}}
{{- if and (eq $w.leastReplicas 0) (eq $w.scaler "hpa") -}}
{{- template "vllm-stack.error" (list . "autoscaling.minReplicas" "an HPA stops at 1 unless the cluster enables HPAScaleToZero; set 1, or let KEDA scale") -}}
{{- end -}}
{{- if $a.takeOver -}}
{{- if eq $w.scaler "hpa" -}}
{{- template "vllm-stack.error" (list . "autoscaling.takeOver" "only KEDA takes over an HPA; set mode: keda, or remove it") -}}
{{- else if eq $a.takeOver $w.scalerName -}}
{{- template "vllm-stack.error" (list . "autoscaling.takeOver" (print $a.takeOver " is the HPA of this release, which Helm removes itself; set handover: true while mode is hpa, and remove takeOver")) -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $a "paused") (eq $w.scaler "hpa") -}}
{{- template "vllm-stack.error" (list . "autoscaling.paused" "an HPA cannot be paused; set minReplicas and maxReplicas to one number") -}}
{{- end -}}
{{- if and (or $metrics (eq $a.mode "wva")) (eq (toString (index ($body.args | default dict) "disable-log-stats")) "true") -}}
{{- template "vllm-stack.error" (list . "args.disable-log-stats" "without them the engine exports no metric to scale by; set false") -}}
{{- end -}}
{{- if eq $a.mode "wva" }}{{ template "vllm-stack.validateWva" . }}{{ else }}{{ template "vllm-stack.validateMetrics" . }}{{ end -}}
{{- end -}}

{{/* Modes hpa and keda: what is measured */}}
{{- define "vllm-stack.validateMetrics" -}}
{{- $w := .w }}{{ $a := $w.body.autoscaling }}{{ $metrics := $a.metrics | default dict -}}
{{- $triggers := $a.triggers | default list }}{{ $resource := $w.body.accelerator.resource | default "" -}}
{{- if not (or $metrics $triggers) -}}
{{- template "vllm-stack.error" (list . "autoscaling.metrics" "there is nothing to scale by; set a target, for example waitingRequests: 5") -}}
{{- end -}}
{{- range $metric, $series := dict "waitingRequests" "waiting" "runningRequests" "running" "kvCacheUsage" "kvCacheUsage" "timeToFirstTokenSeconds" "timeToFirstToken" -}}
{{- if and (hasKey $metrics $metric) (not (get $w.engine.metrics $series)) -}}
{{- template "vllm-stack.error" (list $ (print "autoscaling.metrics." $metric) (print "the engine " ($w.body.engine | default "vllm") " exports no such metric; set null")) -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $metrics "gpuUtilization") (or (not (hasPrefix "nvidia.com/" $resource)) (hasPrefix "nvidia.com/mig-" $resource)) -}}
{{- template "vllm-stack.error" (list . "autoscaling.metrics.gpuUtilization" "DCGM reports it for whole NVIDIA GPUs only; set null, and runningRequests or kvCacheUsage") -}}
{{- end -}}
{{- if and $triggers (eq $w.scaler "hpa") -}}
{{- template "vllm-stack.error" (list . "autoscaling.triggers" "only KEDA has triggers; set mode: keda, or remove them") -}}
{{- end -}}
{{- $awake := include "vllm-stack.validateTriggers" . -}}
{{- if and (eq $w.leastReplicas 0) (eq $w.scaler "keda") (not $awake) -}}
{{- template "vllm-stack.error" (list . "autoscaling.minReplicas" "a model without pods has no metrics that could wake it; set 1, or add a trigger that exists without pods, for example cron or a queue") -}}
{{- end -}}
{{- $_ := set $w "onlyResources" (and (not $metrics) (not $awake) (not (contains "prometheus" (toJson $triggers)))) -}}
{{- end -}}

{{/* root -> JSON list of what is wrong with `scaling`, and of scalers that extraObjects bring for a workload that has one */}}
{{- define "vllm-stack.scalingErrors" -}}
{{- $errors := list }}{{ $prometheus := (.Values.scaling).prometheus | default dict }}{{ $targets := dict }}{{ $asks := "" -}}
{{- range $w := .resolved.scaled -}}
{{- $_ := set $targets $w.name (print $w.path ".autoscaling") -}}
{{- range $w.triggers }}{{ if and (eq .type "prometheus") (not .metadata.serverAddress) }}{{ $asks = $asks | default (print $w.path ".autoscaling") }}{{ end }}{{ end -}}
{{- end -}}
{{- if $asks -}}
{{- $errors = append $errors (print "scaling.prometheus.serverAddress: " $asks " asks Prometheus; set its address, for example http://prometheus-operated.monitoring:9090") -}}
{{- end -}}
{{- if and $prometheus.authenticationRef (not $prometheus.authModes) -}}
{{- $errors = append $errors "scaling.prometheus.authModes: KEDA leaves authenticationRef unread without a mode; set [bearer], [basic], [tls] or [custom]" -}}
{{- else if and $prometheus.authModes (not $prometheus.authenticationRef) -}}
{{- $errors = append $errors "scaling.prometheus.authenticationRef: authModes need one; set {name: …}, an entry of scaling.authentications or a TriggerAuthentication" -}}
{{- end -}}
{{- if .resolved.wva }}{{ $errors = concat $errors (include "vllm-stack.wvaErrors" . | fromJsonArray) }}{{ end -}}
{{- range $i, $object := .Values.extraObjects -}}
{{- if and (kindIs "map" $object) (has (toString $object.kind) (list "HorizontalPodAutoscaler" "ScaledObject" "VariantAutoscaling")) -}}
{{- $target := (($object.spec | default dict).scaleTargetRef | default dict).name | toString -}}
{{- with get $targets $target -}}
{{- $errors = append $errors (printf "extraObjects.%d: it scales %s, which %s scales already; remove one of them" $i $target .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
