{{/*
{root, w} of a shape whose autoscaling.mode is not none -> adds what its scaler needs: scaler (hpa or keda, the object
that is rendered), leastReplicas and behavior. `replicas` becomes the most pods there can be, by which claims and
disruption budgets are judged; the body has none.
*/}}
{{- define "vllm-stack.deriveScaling" -}}
{{- $w := .w }}{{ $a := $w.body.autoscaling -}}
{{- $_ := set $w "scaler" (ternary ($a.actuator | default "keda") $a.mode (eq $a.mode "wva")) -}}
{{/* The body of this shape only: a variant of it may keep its own. */}}
{{- $_ := set $w "ownReplicas" (get $w.body "replicas") -}}
{{- $_ := set $w "body" (omit $w.body "replicas") -}}
{{- $_ := set $w "replicas" (int (ternary $a.maxReplicas 4 (hasKey $a "maxReplicas"))) -}}
{{- $_ := set $w "leastReplicas" (int (ternary $a.minReplicas 1 (hasKey $a "minReplicas"))) -}}

{{/*
A pod that was started is not removed before it could have answered: the window is the start-up budget, within what
Kubernetes allows (its own default is 300 s, the most 3600 s). Then one pod at a time, each after the one before has
drained. Up, Kubernetes' own behaviour stays: a late pod costs requests, one too many only its window.
*/}}
{{- $window := min 3600 (max 300 $w.budgetSeconds) -}}
{{- $_ := set $w "cooldownSeconds" (max 300 $w.budgetSeconds) -}}
{{- $down := dict "stabilizationWindowSeconds" (int $window) "selectPolicy" "Max"
      "policies" (list (dict "type" "Pods" "value" 1 "periodSeconds" (int (min 1800 $w.graceSeconds)))) -}}
{{- $_ := set $w "behavior" (mergeOverwrite (dict "scaleDown" $down) (deepCopy ($a.behavior | default dict))) -}}
{{- end -}}

{{/* {root, w} of a workload with a scaler -> adds scalerName, scaleTarget, scalerAnnotations, and metrics or triggers. */}}
{{- define "vllm-stack.scaling" -}}
{{- $w := .w }}{{ $a := $w.body.autoscaling }}{{ $r := .root.resolved }}{{ $scaler := $w.scaler -}}
{{- $_ := set $r "kedaUsed" (or $r.kedaUsed (eq $scaler "keda")) -}}
{{- $_ := set $w "scalerName" (include "vllm-stack.name" (dict "full" $w.name "limit" 54)) -}}
{{- $api := ternary "leaderworkerset.x-k8s.io/v1" "apps/v1" (eq $w.kind "LeaderWorkerSet") -}}
{{- $_ := set $w "scaleTarget" (dict "apiVersion" $api "kind" $w.kind "name" $w.name) -}}

{{- $annotations := deepCopy ($a.annotations | default dict) -}}
{{- if eq $a.mode "wva" }}{{ template "vllm-stack.wvaVariant" (dict "root" .root "w" $w "annotations" $annotations) }}{{ end -}}
{{- if eq $scaler "hpa" -}}
{{- if $a.handover }}{{ $_ := set $annotations "validations.keda.sh/hpa-ownership" "false" }}{{ end -}}
{{- template "vllm-stack.hpaMetrics" . -}}
{{- else -}}
{{- if kindIs "bool" $a.paused -}}
{{- if $a.paused }}{{ $_ := set $annotations "autoscaling.keda.sh/paused" "true" }}{{ end -}}
{{- else if hasKey $a "paused" }}{{ $_ := set $annotations "autoscaling.keda.sh/paused-replicas" (include "vllm-stack.scalar" $a.paused) }}{{ end -}}
{{- if $a.takeOver }}{{ $_ := set $annotations "scaledobject.keda.sh/transfer-hpa-ownership" "true" }}{{ end -}}
{{- template "vllm-stack.triggers" . -}}
{{- end -}}
{{- $_ := set $w "scalerAnnotations" $annotations -}}
{{- end -}}
