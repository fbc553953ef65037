{{/*
Rules between values, which a schema cannot state. Every broken one is collected and reported at once, as
"<key>: <rule>; <what to set>". Types, ranges and unknown keys are refused by values.schema.json before.
*/}}

{{/* [{root, w}, key, message] -> notes an error of a workload. What a variant inherits is reported once, at the model. */}}
{{- define "vllm-stack.error" -}}
{{- $r := (index . 0).root.resolved }}{{ $w := (index . 0).w }}{{ $line := print (index . 1) ": " (index . 2) -}}
{{- $id := print $w.model " " $line -}}
{{- if not (hasKey $r.seen $id) -}}
{{- $_ := set $r.seen $id true -}}
{{- $_ := set $r "errors" (append $r.errors (print $w.path "." $line)) -}}
{{- end -}}
{{- end -}}

{{/* {root, w} */}}
{{- define "vllm-stack.validateWorkload" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $p := $body.parallelism }}{{ $uri := $body.source.uri | default "" -}}
{{- $known := or (hasPrefix "hf://" $uri) (hasPrefix "pvc://" $uri) (hasPrefix "/" $uri) -}}
{{- if or (not $known) (has $uri (list "hf://" "pvc://" "/")) (contains " " $uri) (and (hasPrefix "hf://" $uri) (ne (len (splitList "/" $uri)) 4)) -}}
{{- include "vllm-stack.error" (list . "source.uri" (print (ternary "is missing" (printf "%q is no model source" $uri) (eq $uri "")) "; set hf://org/name, pvc://claim/path or an absolute path in the image")) -}}
{{- else if and $body.source.revision (not (hasPrefix "hf://" $uri)) -}}
{{- include "vllm-stack.error" (list . "source.revision" "only a hf:// source has revisions; remove it") -}}
{{- end -}}
{{- range $key, $_ := pick $w.own "source" "servedNames" "service" "variants" -}}
{{- include "vllm-stack.error" (list $ $key (print "variants share it, they are workloads of one model; set models." $w.model "." $key)) -}}
{{- end -}}
{{- if gt (int $p.nodes) 1 -}}
{{- include "vllm-stack.error" (list . "parallelism.nodes" (printf "%d nodes need a LeaderWorkerSet, which this version does not render; set 1" (int $p.nodes))) -}}
{{- end -}}
{{- if and (hasKey $body.accelerator "count") (ne (int $body.accelerator.count) (int $w.gpus)) -}}
{{- include "vllm-stack.error" (list . "accelerator.count" (printf "%d does not equal tensor × pipeline × data = %d of parallelism; set null to derive it" (int $body.accelerator.count) (int $w.gpus))) -}}
{{- end -}}
{{- if and $body.accelerator.product (not $body.accelerator.productLabel) -}}
{{- include "vllm-stack.error" (list . "accelerator.productLabel" "a product needs the node label that names it; set nvidia.com/gpu.product or the label of your GPUs") -}}
{{- end -}}
{{- $surge := $body.rollout.maxSurge }}{{ $unavailable := $body.rollout.maxUnavailable -}}
{{- if and (has (toString $surge) (list "0" "0%")) (has (toString $unavailable) (list "0" "0%")) -}}
{{- include "vllm-stack.error" (list . "rollout" "maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set maxUnavailable: 1") -}}
{{- end -}}
{{- if and (hasKey $body.disruption "minAvailable") (hasKey $body.disruption "maxUnavailable") -}}
{{- include "vllm-stack.error" (list . "disruption" "minAvailable and maxUnavailable exclude each other; set one of them to null") -}}
{{- end -}}
{{- if and (eq $body.cache.type "existingClaim") (not $body.cache.claimName) -}}
{{- include "vllm-stack.error" (list . "cache.claimName" "type existingClaim needs the name of a claim; set it, or type: claim to have one made") -}}
{{- end -}}
{{- if and (eq $body.cache.type "claim") (not $body.cache.size) -}}
{{- include "vllm-stack.error" (list . "cache.size" "a claim needs a size; set the size of the weights and a fifth more, for example 40Gi") -}}
{{- end -}}
{{- range $label, $_ := $body.podLabels -}}
{{- if contains (print "\n" $label ":") (print "\n" $w.selector) -}}
{{- include "vllm-stack.error" (list $ (print "podLabels." $label) "is a label of the selector; remove it") -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := pick $body.env "HF_TOKEN" "HUGGING_FACE_HUB_TOKEN" "VLLM_API_KEY" -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) -}}
{{- include "vllm-stack.error" (list $ (print "env." $name) "a secret is never written into a pod; set secrets, or valueFrom") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* [name, path] -> what is wrong with the name of a model or variant, if anything */}}
{{- define "vllm-stack.nameError" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" (first .)) -}}
{{- last . }}: the name is no DNS-1035 label (a-z, 0-9 and -, beginning with a letter, at most 63); rename it, and set servedNames to what clients ask for
{{- end -}}
{{- end -}}

{{/* root: what concerns several models, then the report */}}
{{- define "vllm-stack.validate" -}}
{{- $r := .resolved }}{{ $names := dict }}{{ $claims := dict }}{{ $sharers := dict }}{{ $errors := list -}}
{{- $keys := keys .Values.models }}{{ $variants := list -}}
{{- range $key, $model := .Values.models -}}
{{- if $model }}{{ range $variant, $_ := $model.variants }}{{ $keys = append $keys $variant }}{{ $variants = append $variants (list $key $variant) }}{{ end }}{{ end -}}
{{- end -}}
{{- if not (regexMatch "^([a-z]([-a-z0-9]{0,61}[a-z0-9])?\n)*$" (print (join "\n" $keys) "\n")) -}}
{{- range $key, $_ := .Values.models }}{{ $errors = append $errors (include "vllm-stack.nameError" (list $key (print "models." $key))) }}{{ end -}}
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
{{- $_ := set $sharers $w.claim (add $w.replicas (get $sharers $w.claim | default 0)) -}}
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
{{- if eq (.Values.routing).kind "gateway" }}{{ $errors = concat $errors (include "vllm-stack.routeErrors" . | fromJsonArray) }}{{ end -}}
{{- $errors = concat $r.errors $errors | compact -}}
{{- if $errors -}}
{{- fail (printf "\n\nvllm-stack cannot render these values:\n  %s\n" (join "\n  " $errors)) -}}
{{- end -}}
{{- end -}}
