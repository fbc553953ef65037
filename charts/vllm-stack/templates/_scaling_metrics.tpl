{{/* What the scalers measure. The names of an engine's series come from its file under files/engines. */}}

{{/*
{root, w} -> labels that choose the series of this workload and no other: namespace and pod are those of the scrape
target, as Prometheus Operator and most scrape configurations set them, the model's label is the engine's own.
Two variants serve one model, so the pods tell them apart: <workload>-<template hash>-<5>, or <workload>-<number>; of a
name that is too long, Kubernetes cuts the hash away first (58 characters and 5).
*/}}
{{- define "vllm-stack.seriesSelector" -}}
{{- $tail := "-[a-z0-9]{1,10}-[a-z0-9]{5}" }}{{ $name := .w.name | trunc 58 -}}
{{- if ne .w.scaleTarget.kind "Deployment" }}{{ $tail = "-[0-9]+" }}{{ $name = .w.name -}}
{{- else if ge (len .w.name) 58 }}{{ $tail = "[a-z0-9]{5}" -}}
{{- else if gt (len .w.name) 46 }}{{ $tail = "-[a-z0-9]{1,10}-?[a-z0-9]{5}" }}{{ end -}}
namespace={{ quote .root.Release.Namespace }},{{ with .w.engine.metrics.modelLabel }}{{ . }}={{ first $.w.servedNames | quote }},{{ end }}pod=~{{ print $name $tail | quote }}
{{- end -}}

{{/* {metric, root, w} -> the total over all pods of a workload as PromQL: KEDA and the HPA divide it by the target. */}}
{{- define "vllm-stack.query" -}}
{{- $m := .w.engine.metrics }}{{ $selector := print "{" (include "vllm-stack.seriesSelector" .) "}" -}}
{{- if eq .metric "waitingRequests" -}}
sum({{ $m.waiting }}{{ $selector }})
{{- else if eq .metric "runningRequests" -}}
sum({{ $m.running }}{{ $selector }})
{{- else if eq .metric "kvCacheUsage" -}}
sum(avg by (pod) ({{ $m.kvCacheUsage }}{{ $selector }}))
{{- else if eq .metric "timeToFirstTokenSeconds" -}}
{{- /* A latency is no total: times the pods, so that the division gives it back. Without requests it is no number; then 0. */ -}}
{{- $pods := print "count(count by (pod) (" $m.running $selector "))" -}}
(histogram_quantile(0.95, sum by (le) (rate({{ $m.timeToFirstToken }}_bucket{{ $selector }}[5m]))) >= 0) * {{ $pods }} or 0 * {{ $pods }}
{{- else -}}
{{- $labels := (.root.Values.scaling).gpuLabels | default dict }}{{ $pod := $labels.pod | default "pod" -}}
{{- $own := regexFind "pod=~.*" $selector | trimPrefix "pod" -}}
sum(avg by ({{ $pod }}) (DCGM_FI_DEV_GPU_UTIL{ {{- $labels.namespace | default "namespace" }}={{ quote .root.Release.Namespace }},{{ $pod }}{{ $own }}))
{{- end -}}
{{- end -}}

{{/* {root, w} -> w.metrics of an HPA: the pods' own metrics by the names of docs/scaling.md's adapter rules, or WVA's. */}}
{{- define "vllm-stack.hpaMetrics" -}}
{{- $w := .w }}{{ $m := $w.engine.metrics }}{{ $metrics := list -}}
{{- if eq $w.body.autoscaling.mode "wva" -}}
{{- $namespace := (.root.Values.scaling).wvaNamespaceLabel | default "exported_namespace" -}}
{{- $labels := dict "variant_name" $w.scalerName $namespace .root.Release.Namespace -}}
{{- $metric := dict "name" "wva_desired_replicas" "selector" (dict "matchLabels" $labels) -}}
{{- $target := dict "type" "AverageValue" "averageValue" "1" -}}
{{- $metrics = list (dict "type" "External" "external" (dict "metric" $metric "target" $target)) -}}
{{- else -}}
{{- $names := dict "waitingRequests" $m.waiting "runningRequests" $m.running "kvCacheUsage" $m.kvCacheUsage
      "timeToFirstTokenSeconds" (print $m.timeToFirstToken "_p95") "gpuUtilization" "DCGM_FI_DEV_GPU_UTIL" -}}
{{- range $metric, $target := $w.body.autoscaling.metrics -}}
{{- $target = dict "type" "AverageValue" "averageValue" (include "vllm-stack.scalar" $target) -}}
{{- $name := get $names $metric | toString | replace ":" "_" -}}
{{- $metrics = append $metrics (dict "type" "Pods" "pods" (dict "metric" (dict "name" $name) "target" $target)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $w "metrics" $metrics -}}
{{- end -}}

{{/* {root, w} -> w.triggers of a ScaledObject: one for each metric, or WVA's, then the user's own. */}}
{{- define "vllm-stack.triggers" -}}
{{- $w := .w }}{{ $root := .root }}{{ $a := $w.body.autoscaling }}{{ $queries := dict -}}
{{- if eq $a.mode "wva" -}}
{{- $which := print "wva_desired_replicas{variant_name=" (quote $w.scalerName) -}}
{{- $namespace := print "namespace=" (quote $root.Release.Namespace) -}}
{{- $_ := set $queries "desiredReplicas" (list (print "max(" $which ",exported_" $namespace "} or " $which "," $namespace ",exported_namespace=\"\"})") "1") -}}
{{- else -}}
{{- range $metric, $target := $a.metrics -}}
{{- $query := include "vllm-stack.query" (dict "metric" $metric "root" $root "w" $w) -}}
{{- $_ := set $queries $metric (list $query (include "vllm-stack.scalar" $target)) -}}
{{- end -}}
{{- end -}}
{{- $triggers := list -}}
{{/* A model without pods has no series, which is no fault there; anywhere else a missing series must not mean 0. */}}
{{- $quiet := and (eq $w.leastReplicas 0) (ne $a.mode "wva") -}}
{{- range $metric, $query := $queries -}}
{{- $metadata := dict "query" (first $query) "threshold" (last $query) "activationThreshold" "0" "ignoreNullValues" (toString $quiet) -}}
{{- $triggers = append $triggers (dict "type" "prometheus" "name" (kebabcase $metric) "metricType" "AverageValue" "metadata" $metadata) -}}
{{- end -}}
{{- $finished := list -}}
{{- range concat $triggers ($a.triggers | default list) }}{{ $finished = append $finished (include "vllm-stack.trigger" (dict "root" $root "trigger" .) | fromYaml) }}{{ end -}}
{{- $_ := set $w "triggers" $finished -}}
{{- end -}}

{{/* {root, trigger} -> the trigger as KEDA takes it: metadata as text, Prometheus' address and sign-in filled in, names of
scaling.authentications replaced by those of their objects. */}}
{{- define "vllm-stack.trigger" -}}
{{- $prometheus := (.root.Values.scaling).prometheus | default dict }}{{ $ours := (.root.Values.scaling).authentications | default dict -}}
{{- $trigger := deepCopy .trigger }}{{ $metadata := dict -}}
{{- if and (eq $trigger.type "prometheus") (not ($trigger.metadata).serverAddress) -}}
{{- $_ := set $metadata "serverAddress" ($prometheus.serverAddress | default "") -}}
{{- with $prometheus.authModes }}{{ $_ := set $metadata "authModes" (join "," .) }}{{ end -}}
{{- range $name, $value := $prometheus.metadata }}{{ $_ := set $metadata $name $value }}{{ end -}}
{{- with $prometheus.authenticationRef }}{{ if not $trigger.authenticationRef }}{{ $_ := set $trigger "authenticationRef" (deepCopy .) }}{{ end }}{{ end -}}
{{- end -}}
{{- range $name, $value := $trigger.metadata }}{{ $_ := set $metadata $name (include "vllm-stack.scalar" $value) }}{{ end -}}
{{- $_ := set $trigger "metadata" $metadata -}}
{{- with $trigger.authenticationRef }}{{ if hasKey $ours .name }}{{ $_ := set . "name" (include "vllm-stack.authenticationName" (dict "root" $.root "name" .name)) }}{{ end }}{{ end -}}
{{- toYaml $trigger -}}
{{- end -}}

{{/* {root, name} -> the TriggerAuthentication of an entry of scaling.authentications */}}
{{- define "vllm-stack.authenticationName" -}}
{{- include "vllm-stack.name" (dict "full" (print .root.Release.Name "-" .name) "limit" 63) -}}
{{- end -}}
