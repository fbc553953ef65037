{{/*
Rules between values, which a schema cannot state. Every broken one is collected and reported at once, as
"<key>: <rule>; <what to set>". Types, ranges and unknown keys are refused by values.schema.json before.
*/}}

{{/* [name, path] -> what is wrong with the name of a model or variant, if anything */}}
{{- define "vllm-stack.nameError" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" (first .)) -}}
{{- last . }}: the name is no DNS-1035 label (a-z, 0-9 and -, beginning with a letter, at most 63); rename it, and set servedNames to what clients ask for
{{- end -}}
{{- end -}}

{{/* root: what concerns several models, then the report */}}
{{- define "vllm-stack.validate" -}}
{{- $r := .resolved }}{{ $names := dict }}{{ $claims := dict }}{{ $sharers := dict }}{{ $errors := list -}}
{{- $models := .Values.models | default dict }}{{ $keys := keys $models }}{{ $variants := list -}}
{{- if (.Values.defaults).variants -}}
{{- $errors = append $errors "defaults.variants: variants belong to one model; set models.<name>.variants" -}}
{{- end -}}
{{- range $key, $model := $models -}}
{{- if $model }}{{ range $variant, $_ := $model.variants }}{{ $keys = append $keys $variant }}{{ $variants = append $variants (list $key $variant) }}{{ end }}{{ end -}}
{{- end -}}
{{- if not (regexMatch "^([a-z]([-a-z0-9]{0,61}[a-z0-9])?\n)*$" (print (join "\n" $keys) "\n")) -}}
{{- range $key, $_ := $models }}{{ $errors = append $errors (include "vllm-stack.nameError" (list $key (print "models." $key))) }}{{ end -}}
{{- range $variants }}{{ $errors = append $errors (include "vllm-stack.nameError" (list (last .) (join ".variants." . | print "models."))) }}{{ end -}}
{{- end -}}
{{- range $w := $r.workloads -}}
{{- if hasKey $names $w.name -}}
{{- $errors = append $errors (printf "%s: its name %s is already that of %s; rename one of them" $w.path $w.name (get $names $w.name)) -}}
{{- end -}}
{{- $_ := set $names $w.name $w.path -}}
{{- if eq $w.body.cache.type "claim" -}}
{{- $cache := pick $w.body.cache "size" "storageClassName" "accessModes" -}}
{{- $first := get $claims $w.claim | default $cache -}}
{{- $_ := set $claims $w.claim $first -}}
{{- $_ := set $sharers $w.claim (add (mul $w.replicas $w.nodes) (get $sharers $w.claim | default 0)) -}}
{{- if ne (toJson $first) (toJson $cache) -}}
{{- $errors = append $errors (printf "%s.cache: workloads that share the claim %s describe it differently; set the same size, storageClassName and accessModes" $w.path $w.claim) -}}
{{- end -}}
{{- if and (gt (int (get $sharers $w.claim)) 1) (not (has "ReadWriteMany" $cache.accessModes)) -}}
{{- $errors = append $errors (printf "%s.cache.accessModes: %d pods share the claim %s, which only one node can mount; set [ReadWriteMany], or type: emptyDir, or replicas: 1" $w.path (int (get $sharers $w.claim)) $w.claim) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $r "claims" $claims -}}
{{- range $kind, $secret := .Values.secrets -}}
{{- if and $secret $secret.existingSecret (or $secret.token $secret.value) -}}
{{- $errors = append $errors (printf "secrets.%s: existingSecret and %s exclude each other; remove the literal" $kind (ternary "token" "value" (hasKey $secret "token"))) -}}
{{- end -}}
{{- end -}}
{{- if $r.routes }}{{ $errors = concat $errors (include "vllm-stack.routeErrors" . | fromJsonArray) }}{{ end -}}
{{- $errors = concat $errors (include "vllm-stack.securityErrors" . | fromJsonArray) -}}
{{- if $r.groups }}{{ $errors = concat $errors (include "vllm-stack.groupErrors" . | fromJsonArray) }}{{ end -}}
{{- if $r.storage }}{{ $errors = concat $errors (include "vllm-stack.storageErrors" . | fromJsonArray) }}{{ end -}}
{{- if $r.scaled }}{{ $errors = concat $errors (include "vllm-stack.scalingErrors" . | fromJsonArray) }}{{ end -}}
{{- $errors = concat $errors (include "vllm-stack.monitoringErrors" . | fromJsonArray) -}}
{{- $errors = concat $r.errors $errors | compact -}}
{{- if $errors -}}
{{- fail (printf "\n\nvllm-stack cannot render these values:\n  %s\n" (join "\n  " $errors)) -}}
{{- end -}}
{{- end -}}
