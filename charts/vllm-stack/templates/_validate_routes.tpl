{{/* root -> JSON list of what is wrong with routing.routes */}}
{{- define "vllm-stack.routeErrors" -}}
{{- $errors := list }}{{ $models := dict -}}
{{- range $m := .resolved.models }}{{ $_ := set $models $m.key $m }}{{ end -}}
{{- if not (.Values.routing.gateway).parentRefs -}}
{{- $errors = append $errors "routing.gateway.parentRefs: kind gateway needs a Gateway; set [{name: …, namespace: …}]" -}}
{{- end -}}
{{- range $name, $route := .Values.routing.routes -}}
{{- $path := print "routing.routes." $name }}{{ $prefixes := dict }}{{ $served := dict -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" $name) -}}
{{- $errors = append $errors (print $path ": the name is no DNS-1035 label; rename it") -}}
{{- end -}}
{{- range $key, $target := $route.models -}}
{{- $prefix := ($target | default dict).prefix | default "" -}}
{{- if hasKey $prefixes $prefix -}}
{{- $errors = append $errors (printf "%s.models.%s.prefix: %q is also the prefix of %s; set another one, for example /%s" $path $key $prefix (get $prefixes $prefix) $key) -}}
{{- end -}}
{{- $_ := set $prefixes $prefix $key -}}
{{- if hasKey $models $key -}}
{{- range $alias := (get $models $key).servedNames -}}
{{- if hasKey $served $alias -}}
{{- $errors = append $errors (printf "%s: the models %s and %s both serve the name %s; set another servedNames for one of them" $path (get $served $alias) $key $alias) -}}
{{- end -}}
{{- $_ := set $served $alias $key -}}
{{- end -}}
{{- else -}}
{{- $errors = append $errors (printf "%s.models.%s: no enabled model has this name; set one of: %s" $path $key (join ", " (keys $models | sortAlpha))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
