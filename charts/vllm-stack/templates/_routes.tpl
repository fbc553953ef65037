{{/*
root -> .resolved.routes, the same for every kind: {key, path, name, own, body, rules, …}. A rule is what requests for one
prefix with certain headers get: {prefix, headers, entries, backends}; a backend is {name, port, weight, model, variant}.
Rules with more headers come first, then in the order of their headers: what a Gateway does and others do by order.
*/}}
{{- define "vllm-stack.resolveRoutes" -}}
{{- $root := . }}{{ $r := .resolved }}{{ $models := $r.models }}{{ $routes := list -}}
{{- $defaults := .Values.routing.defaults | default dict -}}
{{- range $key, $route := .Values.routing.routes -}}
{{- $body := mergeOverwrite (deepCopy $defaults) (deepCopy (omit $route "models")) -}}
{{- template "vllm-stack.prune" $body -}}
{{- range $part := list "timeouts" "retries" "rateLimit" "tls" -}}
{{- if not (kindIs "map" (index $body $part)) }}{{ $_ := set $body $part dict }}{{ end -}}
{{- end -}}
{{- if not $body.hosts }}{{ $_ := set $body "hosts" list }}{{ end -}}
{{- $path := print "routing.routes." $key }}{{ $rules := dict -}}
{{- range $entry, $target := $route.models -}}
{{- $own := $target | default dict }}{{ $key := $own.model | default $entry }}{{ $at := printf "%s.models.%s" $path $entry -}}
{{- if hasKey $models $key -}}
{{- $headers := list -}}
{{- range $name, $match := $own.headers -}}
{{- if kindIs "map" $match -}}
{{- $headers = append $headers (dict "name" $name "type" (ternary "RegularExpression" "Exact" (hasKey $match "regex")) "value" (first (values $match))) -}}
{{- else if not (kindIs "invalid" $match) }}{{ $headers = append $headers (dict "name" $name "type" "Exact" "value" $match) }}{{ end -}}
{{- end -}}
{{- $prefix := $own.prefix | default "" -}}
{{- $id := printf "%02d %s %s" (sub 99 (len $headers)) $prefix (toJson $headers) -}}
{{- $rule := get $rules $id | default (dict "prefix" $prefix "headers" $headers "entries" list "backends" list) -}}
{{- $_ := set (get $models $key) "routed" true -}}
{{- $e := dict "at" $at "key" $entry "own" $own "model" (get $models $key) "weight" $own.weight "weighted" (not (kindIs "invalid" $own.weight)) -}}
{{- $_ := set $rule "entries" (append $rule.entries $e) -}}
{{- $_ := set $rule "backends" (concat $rule.backends (include "vllm-stack.backends" (dict "root" $root "entry" $e) | fromJsonArray)) -}}
{{- $_ := set $rules $id $rule -}}
{{- else -}}
{{- $where := ternary (print $at ".model") $at (not (not $own.model)) -}}
{{- $_ := set $r "errors" (append $r.errors (printf "%s: no enabled model has this name; set one of: %s" $where (join ", " (keys $models | sortAlpha)))) -}}
{{- end -}}
{{- end -}}
{{- $sorted := list }}{{ $prefixes := list -}}
{{- range $id := keys $rules | sortAlpha -}}
{{- $rule := get $rules $id }}{{ $sorted = append $sorted $rule }}{{ $prefixes = append $prefixes $rule.prefix -}}
{{/* Shares of variants are hundredths of a model's weight: beside them a whole model counts a hundred times. */}}
{{- $split := false }}{{ range $rule.backends }}{{ if .variant }}{{ $split = true }}{{ end }}{{ end -}}
{{- range $rule.backends }}{{ if and $split (not .variant) (hasKey . "weight") }}{{ $_ := set . "weight" (mul 100 .weight) }}{{ end }}{{ end -}}
{{- end -}}
{{- $name := include "vllm-stack.name" (dict "full" (print $root.Release.Name "-" $key) "limit" 63) -}}
{{- $routes = append $routes (dict "key" $key "path" $path "name" $name "own" $route "body" $body "rules" $sorted
      "prefixes" ($prefixes | uniq | compact) "namespace" $root.Release.Namespace) -}}
{{- end -}}
{{- $_ := set $r "routes" $routes -}}
{{- end -}}

{{/* {root, entry} -> JSON list of backends: the model's Service, or one of each variant that has a weight, which is then rendered. */}}
{{- define "vllm-stack.backends" -}}
{{- $e := .entry }}{{ $m := $e.model }}{{ $r := .root.resolved }}{{ $found := list -}}
{{- $port := $m.main.modelService.port -}}
{{- if $e.own.variants -}}
{{- $workloads := dict }}{{ range $w := $m.workloads }}{{ $_ := set $workloads $w.variant $w }}{{ end -}}
{{- range $variant, $share := $e.own.variants -}}
{{- if hasKey $workloads $variant -}}
{{- $w := get $workloads $variant -}}
{{- if eq $w.role "prefill" -}}
{{- $_ := set $r "errors" (append $r.errors (printf "%s.variants.%s: the variant has the role prefill, which reads prompts for the decoders and answers no client; remove it, and weigh variants of the role decode" $e.at $variant)) -}}
{{- end -}}
{{- $_ := set $w "service" (include "vllm-stack.variantServiceName" (dict "root" $.root "w" $w)) -}}
{{- $found = append $found (dict "name" $w.service "port" $port "model" $m.key "variant" $variant "weight" (mul $share (ternary $e.weight 1 $e.weighted))) -}}
{{- else -}}
{{- $_ := set $r "errors" (append $r.errors (printf "%s.variants.%s: the model %s has no enabled variant of this name; set one of: %s" $e.at $variant $m.key (join ", " (keys $workloads | sortAlpha)))) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $backend := dict "name" $m.name "port" $port "model" $m.key "variant" "" -}}
{{- if $e.weighted }}{{ $_ := set $backend "weight" (int $e.weight) }}{{ end -}}
{{- $found = append $found $backend -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
