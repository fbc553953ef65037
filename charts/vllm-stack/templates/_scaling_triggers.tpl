{{/* What a ScaledObject asks for. */}}

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
{{- template "vllm-stack.name" (dict "full" (print .root.Release.Name "-" .name) "limit" 63) -}}
{{- end -}}
