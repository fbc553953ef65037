{{/*
root -> .resolved, once per render: {models, workloads, shapes, engines, secretEnv, secretChecksum, serviceAccount}.
Models and workloads are maps, for a list of hundreds is copied whenever one is added; a model's main variant is first.
`kinds` and `scaled` hold the workloads that only some templates are about.
A workload is {model, variant, path, name, source, servedNames, body, args, …}: `body` is defaults < model < variant with
nulls dropped (absent means unset), the rest is derived here. Templates read this and never .Values.models.
Models that differ in their source and names only have one shape, see _shape.tpl.
In all of the chart `include` is for a text that is used, or a name that is computed; `template` for the rest.
*/}}
{{- define "vllm-stack.resolve" -}}
{{- if not (hasKey . "resolved") -}}
{{- $root := . -}}
{{- $r := dict "models" dict "workloads" dict "kinds" (dict "Deployment" dict "StatefulSet" dict "LeaderWorkerSet" dict) "scaled" dict "errors" list "seen" dict "engines" dict "shapes" dict "storage" dict "downloads" dict -}}
{{- $_ := set . "resolved" $r -}}
{{- $_ := set $r "commonLabels" (.Values.commonLabels | default dict) -}}
{{- template "vllm-stack.resolveSecrets" . -}}
{{- $_ := set $r "serviceAccount" (include "vllm-stack.serviceAccountName" .) -}}
{{- if (.Values.storage).claims }}{{ template "vllm-stack.resolveStorage" . }}{{ end -}}
{{- $selectorStart := print (include "vllm-stack.selector" .) "\nvllm-stack.io/model: " -}}
{{- $moreLabels := print "\n" (include "vllm-stack.moreLabels" .) -}}
{{- /* A key is a DNS label, or is refused: whether a name is fit as it is depends on the release's, and on the length. */}}
{{- $start := print .Release.Name "-a" }}{{ $plain := eq $start (include "vllm-stack.name" (dict "full" $start "limit" 63)) -}}
{{- $defaults := deepCopy (.Values.defaults | default dict) -}}
{{- template "vllm-stack.prune" $defaults -}}
{{- template "vllm-stack.complete" $defaults -}}
{{- $_ := set $r "customDefault" (toJson $defaults.custom) -}}
{{- $_ := set $r "nulls" (contains ":null" (toJson .Values.models)) -}}
{{- range $key, $model := .Values.models -}}
{{- if kindIs "map" $model -}}
{{- $over := omit $model "variants" "source" "servedNames" }}{{ $id := toJson $over }}{{ $shape := get $r.shapes $id -}}
{{- if not $shape -}}
{{- template "vllm-stack.shape" (dict "root" $root "id" $id "base" $defaults "over" $over) }}{{ $shape = get $r.shapes $id -}}
{{- end -}}
{{- if $shape.enabled -}}
{{- $body := $shape.merged }}{{ $source := $body.source -}}
{{- if kindIs "map" $model.source }}{{ $source = omit $source "" }}{{ template "vllm-stack.overlay" (dict "body" $source "over" $model.source) }}
{{- else if hasKey $model "source" }}{{ $source = dict }}{{ end -}}
{{- if $r.nulls }}{{ template "vllm-stack.prune" $source }}{{ end -}}
{{- $names := $body.servedNames }}{{ if hasKey $model "servedNames" }}{{ $names = $model.servedNames }}{{ end -}}
{{- $full := print $root.Release.Name "-" $key -}}
{{- $name := $full }}{{ if or (not $plain) (gt (len $full) 63) }}{{ $name = include "vllm-stack.name" (dict "full" $full "limit" 63) }}{{ end -}}
{{- $selector := print $selectorStart (quote $key) -}}
{{- $m := dict "key" $key "name" $name "selector" $selector "labels" (print $selector $moreLabels) "body" $body
      "servedNames" (or $names (list $key)) -}}
{{- with $body.service.labels }}{{ $_ := set $m "objectLabels" (include "vllm-stack.labels" (list $m.labels .)) }}{{ end -}}
{{- $variants := or $model.variants dict }}{{ $order := list "main" -}}
{{- if $variants }}{{ $order = prepend (without (keys $variants | sortAlpha) "main") "main" }}{{ end -}}
{{- range $variant := $order -}}
{{- $own := or (get $variants $variant) dict }}{{ $of := $shape -}}
{{- if $own -}}
{{- $variantId := print $id (toJson $own) -}}
{{- if not (hasKey $r.shapes $variantId) }}{{ template "vllm-stack.shape" (dict "root" $root "id" $variantId "base" $shape.merged "over" $own) }}{{ end -}}
{{- $of = get $r.shapes $variantId -}}
{{- end -}}
{{- if $of.enabled -}}
{{- if not (hasKey $of "engine") }}{{ template "vllm-stack.deriveShape" (dict "root" $root "w" $of) }}{{ end -}}
{{- $labels := print $selector "\nvllm-stack.io/variant: " (quote $variant) -}}
{{- /* Without what only the shape needs: a map that outgrows its size while it is filled is copied once more. */}}
{{- $w := omit $of "merged" "enabled" "args" "chatTemplatePath" -}}
{{- $_ := set $w "model" $key }}{{ $_ := set $w "variant" $variant }}{{ $_ := set $w "own" $own -}}
{{- $_ := set $w "selector" $labels }}{{ $_ := set $w "labels" (print $labels $moreLabels) -}}
{{- $_ := set $w "source" $source }}{{ if $names }}{{ $_ := set $w "namesGiven" true }}{{ end }}{{ $_ := set $w "servedNames" $m.servedNames -}}
{{- $at := print $key " " -}}
{{- if eq $variant "main" -}}
{{- $_ := set $w "path" (print "models." $key) }}{{ $_ := set $w "name" $name -}}
{{- else -}}
{{- $at = print $at $variant }}{{ $_ := set $w "path" (print "models." $key ".variants." $variant) -}}
{{- $_ := set $w "name" (include "vllm-stack.name" (dict "full" (print $full "-" $variant) "limit" 63)) -}}
{{- end -}}
{{- template "vllm-stack.derive" (dict "root" $root "w" $w) -}}
{{- if $m.main }}{{ $_ := set $m "workloads" (append $m.workloads $w) }}
{{- else }}{{ $_ := set $m "main" $w }}{{ $_ := set $m "workloads" (list $w) }}{{ end -}}
{{- $_ := set $r.workloads $at $w }}{{ $_ := set (get $r.kinds $w.kind) $at $w -}}
{{- if $w.scaler }}{{ $_ := set $r.scaled $at $w }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $m.workloads }}{{ $_ := set $r.models $key $m }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $r.workloads }}{{ $_ := set $r "first" . }}{{ break }}{{ end -}}
{{- if ne ((.Values.routing).kind | default "none") "none" }}{{ template "vllm-stack.resolveRoutes" . }}{{ end -}}
{{- template "vllm-stack.validate" . -}}
{{- end -}}
{{- end -}}
