{{/* The rules of KEDA's triggers, see _validate_scaling.tpl. */}}

{{/* {root, w} -> "true" when one of them exists without pods, so that it can wake a model that has none */}}
{{- define "vllm-stack.validateTriggers" -}}
{{- $w := .w }}{{ $resource := $w.body.accelerator.resource | default "" }}{{ $awake := "" }}{{ $names := dict -}}
{{- range $metric, $_ := $w.body.autoscaling.metrics }}{{ $_ := set $names (kebabcase $metric) true }}{{ end -}}
{{- range $i, $trigger := $w.body.autoscaling.triggers -}}
{{- $of := print "autoscaling.triggers." $i -}}
{{- $query := toString ($trigger.metadata | default dict).query -}}
{{- $measuresPods := has $trigger.type (list "cpu" "memory") -}}
{{- if not (or $measuresPods (and (eq $trigger.type "prometheus") (regexMatch "vllm:|sglang:|tgi_|DCGM_" $query))) }}{{ $awake = "true" }}{{ end -}}
{{- if eq (toString $trigger.metricType) "Value" -}}
{{- template "vllm-stack.error" (list $ (print $of ".metricType") "Value multiplies by the pods that run, so it never comes to rest; set AverageValue") -}}
{{- end -}}
{{- if and (eq (toString $trigger.metricType) "Utilization") (not $measuresPods) -}}
{{- template "vllm-stack.error" (list $ (print $of ".metricType") "Utilization is a share of a request, which only cpu and memory have; set AverageValue") -}}
{{- end -}}
{{- with $trigger.name -}}
{{- if hasKey $names . }}{{ template "vllm-stack.error" (list $ (print $of ".name") (print . " is the name of another trigger; set another one")) }}{{ end -}}
{{- $_ := set $names . true -}}
{{- end -}}
{{- if and $measuresPods $resource -}}
{{- template "vllm-stack.error" (list $ $of (print $trigger.type " says nothing about the load of a model on accelerators; set autoscaling.metrics")) -}}
{{- else if $measuresPods -}}
{{- if not (hasKey ($w.body.resources.requests | default dict) $trigger.type) -}}
{{- template "vllm-stack.error" (list $ (print "resources.requests." $trigger.type) (print "a trigger on " $trigger.type " is a share of the request; set it")) -}}
{{- end -}}
{{- end -}}
{{- range $key := get (dict "cron" (list "start" "end" "timezone" "desiredReplicas") "prometheus" (list "query" "threshold") "rabbitmq" (list "queueName") "redis" (list "listName") "redis-streams" (list "stream") "kafka" (list "bootstrapServers" "consumerGroup")) $trigger.type | default list -}}
{{- if not (hasKey ($trigger.metadata | default dict) $key) -}}
{{- template "vllm-stack.error" (list $ (print $of ".metadata." $key) (print "a " $trigger.type " trigger needs it; set it")) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $trigger.type "prometheus") (ne $query "<nil>") }}{{ template "vllm-stack.validateQuery" (dict "root" $.root "w" $w "query" $query "key" (print $of ".metadata.query")) }}{{ end -}}
{{- end -}}
{{- $awake -}}
{{- end -}}

{{/* {root, w, query, key}: the three ways in which a query never scales, or scales what it should not */}}
{{- define "vllm-stack.validateQuery" -}}
{{- $known := print " " .w.engine.metrics.exported " " -}}
{{- if not (regexMatch "namespace=~?\"" .query) -}}
{{- template "vllm-stack.error" (list . .key (printf "it counts the pods of every namespace; add namespace=%q" .root.Release.Namespace)) -}}
{{- end -}}
{{- if not (regexMatch "\\b(sum|avg|max|min|count|scalar|quantile)\\b" .query) -}}
{{- template "vllm-stack.error" (list . .key "it gives one series per pod and KEDA takes only one; wrap it in sum(…)") -}}
{{- end -}}
{{- range $name := regexFindAll "vllm:[a-zA-Z0-9_:]+" .query -1 | uniq -}}
{{- if not (contains (print " " (regexReplaceAll "_(bucket|sum|count)$" $name "") " ") $known) -}}
{{- template "vllm-stack.error" (list $ $.key (print $.w.engine.image " " $.w.engine.tag " exports no " $name "; see files/engines of the chart for what it does export")) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "vllm:[a-zA-Z0-9_:]+\\{([^}]*,)?\\s*(model|model_id)\\s*[=!]" .query -}}
{{- template "vllm-stack.error" (list . .key (print "the engine labels its series with " .w.engine.metrics.modelLabel "; write that")) -}}
{{- end -}}
{{- end -}}
