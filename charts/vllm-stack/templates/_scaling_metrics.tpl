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
