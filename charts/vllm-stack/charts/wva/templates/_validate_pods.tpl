{{/* The rules of the pods, their rights and their network, see _validate.tpl. */}}

{{- define "wva.podsErrors" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $lead := $v.leaderElection }}{{ $errors := list -}}
{{- if and (gt (int $v.replicas) 1) (not $r.leads) -}}
{{- $errors = append $errors "leaderElection.enabled: several controllers would decide against each other; set true, or replicas: 1" -}}
{{- end -}}
{{- $lease := int ($lead.leaseSeconds | default 60) }}{{ $renew := int ($lead.renewSeconds | default 50) }}{{ $retry := int ($lead.retrySeconds | default 10) -}}
{{- if ge $renew $lease -}}
{{- $errors = append $errors (printf "leaderElection.renewSeconds: %d is not less than leaseSeconds, %d; lower it" $renew $lease) -}}
{{- end -}}
{{/* client-go, tools/leaderelection: the renew deadline is more than 1.2 retry periods. */}}
{{- if le (mul 10 $renew) (mul 12 $retry) -}}
{{- $errors = append $errors (printf "leaderElection.retrySeconds: %d times 1.2 is not less than renewSeconds, %d; lower it" $retry $renew) -}}
{{- end -}}
{{- if not $r.secure -}}
{{- range $key := list "readers" "tlsSecret" -}}
{{- if get $v.metrics $key }}{{ $errors = append $errors (print "metrics." $key ": http has none; remove it, or set secure: true") }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and $v.endpointPicker.tokenSecret $v.endpointPicker.createToken -}}
{{- $errors = append $errors "endpointPicker.createToken: it and tokenSecret exclude each other; remove one of them" -}}
{{- end -}}
{{- if and (eq (toString $v.serviceAccount.create) "false") (not $v.serviceAccount.name) -}}
{{- $errors = append $errors "serviceAccount.name: without create it is not made; set the name of one that exists" -}}
{{- end -}}
{{- if and $v.namespaceScope.namespace (not $r.watched) -}}
{{- $errors = append $errors "namespaceScope.namespace: all namespaces are watched; set enabled: true, or remove it" -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.scrapeFrom) -}}
{{- $errors = append $errors "networkPolicy.scrapeFrom: nobody could read the metrics that replicas are scaled by; set the peers of Prometheus" -}}
{{- end -}}
{{- range $key := list "commonLabels" "podLabels" -}}
{{- range $label, $_ := get $v $key -}}
{{- if contains (print "\n" $label ":") (print "\n" (include "wva.selector" $)) -}}
{{- $errors = append $errors (print $key "." $label ": the chart sets it, and the controller reads ConfigMaps by it; remove it") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $owned := dict "EXPERIMENTAL_COORDINATOR_ENABLED" "it changes HPAs, for which the chart gives no right; remove it"
      "PROMETHEUS_BEARER_TOKEN" "a secret is never written into a ConfigMap; set prometheus.tokenSecret"
      "WVA_LIMITED_MODE" "it reads all nodes only to log them; remove it" -}}
{{- $keys := "^(PROMETHEUS_(ALLOW|TLS|CA|TOKEN|CLIENT|SERVER)_|LEADER_ELECT|METRICS_(BIND|SECURE|CERT)|WEBHOOK_|WVA_|GLOBAL_OPT_|WATCH_|HEALTH_)" -}}
{{- range $key, $_ := $v.extraConfig -}}
{{- if hasKey $owned $key -}}
{{- $errors = append $errors (printf "extraConfig.%s: %s" $key (get $owned $key)) -}}
{{- else if or (has $key $r.chartConfig) (regexMatch $keys $key) -}}
{{- $errors = append $errors (printf "extraConfig.%s: the chart sets it; remove it, and set the key of values.yaml" $key) -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
