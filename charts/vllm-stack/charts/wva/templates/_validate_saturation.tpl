{{- define "wva.saturationErrors" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $s := $v.saturation }}{{ $errors := include "wva.thresholdErrors" (list "saturation" $s) | fromJsonArray -}}
{{- $shared := omit $s "namespaces" "limiters" -}}
{{- range $namespace, $own := $s.namespaces -}}
{{- $path := print "saturation.namespaces." $namespace -}}
{{- $errors = concat $errors (include "wva.thresholdErrors" (list $path (mergeOverwrite (deepCopy $shared) ($own | default dict)) $own) | fromJsonArray) -}}
{{- if eq $namespace $.Release.Namespace -}}
{{- $errors = append $errors (print $path ": it is the controller's own, whose thresholds are those of all; set them in saturation") -}}
{{- end -}}
{{- end -}}
{{- if and $s.namespaces $r.watched -}}
{{- $errors = append $errors (print "saturation.namespaces: only " $r.watched " is watched; set the thresholds in saturation, or namespaceScope.enabled: false") -}}
{{- end -}}
{{- range $key := list "limiters" "enableRescale" -}}
{{- if and (get $s $key) (not $s.enableLimiter) -}}
{{- $errors = append $errors (print "saturation." $key ": without the limiter it has no effect; set enableLimiter: true, or remove it") -}}
{{- end -}}
{{- end -}}
{{- if and $v.gpuNodeSelector (not $r.countsGpus) -}}
{{- $errors = append $errors "gpuNodeSelector: no limiter counts GPUs of nodes; set saturation.enableLimiter: true, or remove it" -}}
{{- end -}}
{{- $names := dict -}}
{{- range $i, $limiter := $s.limiters -}}
{{- $path := printf "saturation.limiters.%d" $i -}}
{{- $allowed := list "type" -}}
{{- if eq $limiter.type "quota" -}}
{{- $allowed = list "type" "name" "scope" (ternary "quotas" "namespaceQuotas" (eq (toString $limiter.scope) "cluster")) -}}
{{- if eq (toString $limiter.scope) "namespace" }}{{ $allowed = append $allowed "exclude" }}{{ end -}}
{{- range $key := list "name" "scope" -}}
{{- if not (hasKey $limiter $key) }}{{ $errors = append $errors (print $path "." $key ": a quota needs it; set it") }}{{ end -}}
{{- end -}}
{{- if hasKey $names (toString $limiter.name) -}}
{{- $errors = append $errors (print $path ".name: " $limiter.name " is the name of another one; set another name") -}}
{{- end -}}
{{- $_ := set $names (toString $limiter.name) true -}}
{{- else if gt (len $s.limiters) 1 -}}
{{- $errors = append $errors (print $path ".type: GPUs are counted by one limiter, or quotas are declared; remove the others") -}}
{{- end -}}
{{- range $key, $_ := $limiter -}}
{{- if not (has $key $allowed) -}}
{{- $errors = append $errors (print $path "." $key ": a limiter of " $limiter.type (ternary (print " and scope " $limiter.scope) "" (hasKey $limiter "scope")) " has none; remove it") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $models := dict -}}
{{- range $name, $model := $v.scaleToZero.models -}}
{{- with get $models $model.modelID -}}
{{- $errors = append $errors (printf "scaleToZero.models.%s.modelID: %s is that of %s, which the controller takes; remove one of them" $name $model.modelID .) -}}
{{- end -}}
{{- $_ := set $models $model.modelID $name -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}

{{/* [path, thresholds, those that the user set there] -> errors; what is inherited is not reported again */}}
{{- define "wva.thresholdErrors" -}}
{{- $path := index . 0 }}{{ $s := index . 1 }}{{ $errors := list }}{{ $own := $s -}}
{{- if gt (len .) 2 }}{{ $own = index . 2 | default dict }}{{ end -}}
{{- if and (or (hasKey $own "kvSpareTrigger") (hasKey $own "kvCacheThreshold")) (gt (float64 ($s.kvSpareTrigger | default 0.1)) (float64 ($s.kvCacheThreshold | default 0.8))) -}}
{{- $errors = append $errors (printf "%s.kvSpareTrigger: %v is more than kvCacheThreshold, %v; lower it, or raise the other" $path $s.kvSpareTrigger $s.kvCacheThreshold) -}}
{{- end -}}
{{- $up := float64 ($s.scaleUpThreshold | default 0.85) }}{{ $down := float64 ($s.scaleDownBoundary | default 0.7) -}}
{{- if and (or (hasKey $own "scaleDownBoundary") (hasKey $own "scaleUpThreshold")) (ge $down $up) -}}
{{- $errors = append $errors (printf "%s.scaleDownBoundary: %v is not less than scaleUpThreshold, %v, and replicas would come and go; lower it" $path $down $up) -}}
{{- end -}}
{{- if and $own.analyzers (eq (toString $s.analyzer) "v1") -}}
{{- $errors = append $errors (print $path ".analyzers: v1 has none; set analyzer: v2, or remove them") -}}
{{- end -}}
{{- range $i, $analyzer := $own.analyzers -}}
{{- $ownUp := float64 ($analyzer.scaleUpThreshold | default $up) }}{{ $ownDown := float64 ($analyzer.scaleDownBoundary | default $down) -}}
{{- if and (or $analyzer.scaleUpThreshold $analyzer.scaleDownBoundary) (ge $ownDown $ownUp) -}}
{{- $errors = append $errors (printf "%s.analyzers.%d: scaleDownBoundary, %v, is not less than scaleUpThreshold, %v; lower it" $path $i $ownDown $ownUp) -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
