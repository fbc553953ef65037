{{/* The rules of routing, see _validate.tpl. */}}

{{/* root -> JSON list of what is wrong with routing */}}
{{- define "vllm-stack.routeErrors" -}}
{{- $errors := list }}{{ $routing := .Values.routing }}{{ $kind := $routing.kind }}{{ $seen := dict }}{{ $hosts := dict -}}
{{- $words := dict "root" . "kind" $kind "label" (print "kind " $kind) "table" (.Files.Get "files/routing.yaml" | fromYaml) -}}
{{- if eq $kind "ingress" -}}
{{- $controller := ($routing.ingress).controller -}}
{{- $_ := set $words "kind" (print "ingress/" $controller) }}{{ $_ := set $words "label" (printf "kind ingress with %s" $controller) -}}
{{- if not $controller }}{{ $errors = append $errors "routing.ingress.controller: each controller has annotations of its own; set traefik, nginx, haproxy or contour" }}{{ end -}}
{{- else if eq $kind "istio" -}}
{{- if not ($routing.istio).gateways }}{{ $errors = append $errors "routing.istio.gateways: kind istio needs a Gateway; set [namespace/name]" }}{{ end -}}
{{- if and ($routing.istio).loadBalancer ($routing.istio).hashHeader -}}
{{- $errors = append $errors "routing.istio.hashHeader: the hash of a header decides alone; set loadBalancer: \"\"" -}}
{{- end -}}
{{- else if not ($routing.gateway).parentRefs -}}
{{- $errors = append $errors (printf "routing.gateway.parentRefs: kind %s needs a Gateway; set [{name: …, namespace: …}]" $kind) -}}
{{- end -}}
{{- $oneObjectPerHost := has $words.kind (list "istio" "ingress/nginx") -}}
{{- range $route := .resolved.routes -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" $route.key) -}}
{{- $errors = append $errors (print $route.path ": the name is no DNS-1035 label; rename it") -}}
{{- end -}}
{{- if not $route.own.models }}{{ $errors = append $errors (print $route.path ".models: is empty; set the models that it leads to") }}{{ end -}}
{{- if ne $words.kind "ingress/" }}{{ $errors = concat $errors (include "vllm-stack.featureErrors" (dict "words" $words "route" $route) | fromJsonArray) }}{{ end -}}
{{- $errors = concat $errors (include "vllm-stack.routeBodyErrors" (dict "kind" $kind "route" $route) | fromJsonArray) -}}
{{- $errors = concat $errors (include "vllm-stack.ruleErrors" (dict "kind" $kind "route" $route "routing" $routing) | fromJsonArray) -}}
{{- range $host := $route.body.hosts | default (list "every host") -}}
{{- if and $oneObjectPerHost (hasKey $hosts $host) -}}
{{- $errors = append $errors (printf "%s.hosts: %s is also of %s, and %s takes one route for a host; put the models into one route" $route.path $host (get $hosts $host) $words.label) -}}
{{- else -}}
{{- range $rule := $route.rules -}}
{{- $id := print $host " " $rule.prefix " " (toJson $rule.headers) -}}
{{- if hasKey $seen $id -}}
{{- $errors = append $errors (printf "%s: requests for %s/v1 of %s with the same headers are those of %s; set another host, prefix or headers" $route.path $rule.prefix $host (get $seen $id)) -}}
{{- end -}}
{{- $_ := set $seen $id $route.path -}}
{{- end -}}
{{- end -}}
{{- $_ := set $hosts $host $route.path -}}
{{- end -}}
{{- end -}}
{{- if eq $kind "inferencePool" -}}
{{- $objectives := dict -}}
{{- range $m := .resolved.models }}{{ if $m.routed }}{{ range $tier, $_ := ($routing.inferencePool).tiers -}}
{{- $name := include "vllm-stack.objectiveName" (list $m.name $tier) -}}
{{- if hasKey $objectives $name -}}
{{- $errors = append $errors (printf "routing.inferencePool.tiers.%s: its objective of the model %s has the name of another one, %s; rename the tier" $tier $m.key $name) -}}
{{- end -}}
{{- $_ := set $objectives $name true -}}
{{- end }}{{ end }}{{ end -}}
{{- end -}}
{{- $services := dict }}{{ range $m := .resolved.models }}{{ $_ := set $services $m.name (print "models." $m.key) }}{{ end -}}
{{- range $w := .resolved.workloads }}{{ $_ := set $services $w.name $w.path }}{{ end -}}
{{- range $w := .resolved.workloads -}}
{{- if and $w.service (hasKey $services $w.service) -}}
{{- $errors = append $errors (printf "%s: the name of its own Service, %s, is already that of %s; rename one of them" $w.path $w.service (get $services $w.service)) -}}
{{- end -}}
{{- end -}}
{{- $errors | uniq | toJson -}}
{{- end -}}

{{/* {words, route} -> JSON list: the features of a route that its kind has not */}}
{{- define "vllm-stack.featureErrors" -}}
{{- $words := .words }}{{ $route := .route }}{{ $errors := list -}}
{{- range $name, $feature := $words.table.features -}}
{{- if not (has $words.kind $feature.in) -}}
{{- $places := list -}}
{{- if eq $feature.of "route" -}}
{{- $value := $route.body }}{{ $own := $route.own -}}
{{- range splitList "." $name }}{{ $value = index $value . }}{{ $own = index ($own | default dict) . }}{{ end -}}
{{- if not (has (toString $value) (list "<nil>" "" "0" "client")) -}}
{{- $places = append $places (print (ternary "routing.defaults." (print $route.path ".") (kindIs "invalid" $own)) $name) -}}
{{- end -}}
{{- else -}}
{{- range $entry, $target := $route.own.models -}}
{{- if not (has (toString (index ($target | default dict) $name)) (list "<nil>" "" "map[]")) }}{{ $places = append $places (printf "%s.models.%s.%s" $route.path $entry $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $because := get ($feature.because | default dict) $words.kind -}}
{{- range $places -}}
{{- $errors = append $errors (printf "%s: %s has no %s%s; set %s" . $words.label $feature.what (ternary "" (printf " (%s)" $because) (empty $because)) $feature.set) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
