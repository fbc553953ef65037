{{/* root -> JSON {common, engines, has}: what is filled in everywhere and for each engine, and what the release has */}}
{{- define "vllm-stack.ruleContext" -}}
{{- $rules := .Values.monitoring.rules }}{{ $has := dict }}{{ $engines := dict }}{{ $budget := 0 -}}
{{- $lists := dict "deployments" list "statefulsets" list "workloads" list "scalers" list "scaledObjects" list "variants" list -}}
{{- $common := dict "namespace" .Release.Namespace "release" .Release.Name "by" "namespace, release, model" "minimumRequests" (include "vllm-stack.scalar" $rules.minimumRequests) -}}
{{- range $w := .resolved.workloads -}}
{{- $budget = max $budget (add $w.budgetSeconds $w.waitSeconds) -}}
{{- $own := list (list "workloads" $w.name) (list (ternary "deployments" "statefulsets" (eq $w.kind "Deployment")) (ternary (print $w.name "(-[0-9]+)?") $w.name (eq $w.kind "LeaderWorkerSet"))) -}}
{{- if $w.scaler -}}
{{- $hpa := $w.scalerName }}{{ if eq $w.scaler "keda" }}{{ $hpa = $w.body.autoscaling.takeOver | default (print "keda-hpa-" $w.scalerName) -}}
{{- $own = append $own (list "scaledObjects" $w.scalerName) }}{{ end -}}
{{- $own = append $own (list "scalers" $hpa) -}}
{{- with $w.wvaVariant }}{{ $own = append $own (list "variants" .) }}{{ end -}}
{{- end -}}
{{- range $own }}{{ $_ := set $lists (first .) (append (get $lists (first .)) (last .)) }}{{ end -}}
{{- $name := $w.body.engine | default "vllm" -}}
{{- if not (hasKey $engines $name) -}}
{{- $series := merge (dict) (omit $w.engine.metrics "path" "port" "exported" "modelLabel") (dict "abortedWhere" "" "failedWhere" "") -}}
{{- $_ := set $engines $name $series }}{{ $has = merge $has $series -}}
{{- end -}}
{{- end -}}
{{- range $name, $items := $lists }}{{ if $items }}{{ $_ := set $common $name (uniq $items | join "|") }}{{ end }}{{ end -}}
{{/* Five minutes beyond the longest start: a pod that is pulled and scheduled counts from its first second. */}}
{{- $_ := set $common "startup" (printf "%ds" (add $budget 300)) -}}
{{- if $rules.kubeStateMetrics }}{{ $_ := set $has "kubeStateMetrics" true }}{{ end -}}
{{- if $rules.dcgm -}}
{{- $_ := set $has "dcgm" true }}{{ $labels := (.Values.scaling).gpuLabels | default dict }}{{ $pod := $labels.pod | default "pod" -}}
{{- $_ := set $common "gpuPod" $pod -}}
{{- $_ := set $common "gpuBy" (print $pod ", gpu, Hostname") -}}
{{- $_ := set $common "gpuScope" (printf "%s=%q" ($labels.namespace | default "namespace") .Release.Namespace) -}}
{{- $users := "max by (namespace, release, model, pod) (up{[[scope]]} >= bool 0)" -}}
{{- if ne $pod "pod" }}{{ $users = printf "max by (namespace, release, model, %s) (label_replace(up{[[scope]]} >= bool 0, \"%s\", \"$1\", \"pod\", \"(.+)\"))" $pod $pod }}{{ end -}}
{{- $_ := set $common "gpuUsers" $users -}}
{{- end -}}
{{- toJson (dict "common" $common "engines" $engines "has" $has) -}}
{{- end -}}
