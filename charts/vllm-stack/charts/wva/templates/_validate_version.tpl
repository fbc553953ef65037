{{/* What the version of `api` cannot do, see _validate.tpl. */}}

{{- define "wva.versionErrors" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $errors := list }}{{ $tag := $v.image.tag | default "" -}}
{{/* A tag that is no version is the user's own build, as is v0.7.0-fix. 0.9.0-rc1 is older than 0.8. */}}
{{- $version := regexFind "^v?[0-9]+\\.[0-9]+\\.[0-9]+(-[0-9A-Za-z.-]+)?$" $tag | trimPrefix "v" -}}
{{- if $version -}}
{{- if and $r.annotations (or (hasPrefix "0.9.0-rc" $version) (not (semverCompare ">=0.9.0-0" $version))) -}}
{{- $errors = append $errors (printf "image.tag: %s does not read annotations as 0.9 does; set v0.9.0, or api: variantautoscaling with v0.7.0" $tag) -}}
{{- else if and (not $r.annotations) (not (semverCompare "~0.7.0-0" $version)) -}}
{{- $errors = append $errors (printf "image.tag: %s does not read VariantAutoscaling objects as 0.7 does; set v0.7.0, or api: annotations with v0.9.0" $tag) -}}
{{- end -}}
{{- end -}}
{{- if not $r.annotations -}}
{{- if hasPrefix "http://" ($v.prometheus.url | default "") -}}
{{- $errors = append $errors "prometheus.url: version 0.7 takes https:// only; set such an address, or api: annotations" -}}
{{- end -}}
{{- $new := dict "interval" $v.interval "saturation.limiters" $v.saturation.limiters "saturation.enableRescale" $v.saturation.enableRescale -}}
{{- range $key, $value := $new -}}
{{- if $value }}{{ $errors = append $errors (print $key ": version 0.7 does not read it; remove it, or set api: annotations") }}{{ end -}}
{{- end -}}
{{- range $i, $analyzer := $v.saturation.analyzers -}}
{{- range $key := list "type" "parameters" -}}
{{- if hasKey $analyzer $key -}}
{{- $errors = append $errors (printf "saturation.analyzers.%d.%s: version 0.7 does not read it; remove it, or set api: annotations" $i $key) -}}
{{- end -}}
{{- end -}}
{{- if ne $analyzer.name "saturation" -}}
{{- $errors = append $errors (printf "saturation.analyzers.%d.name: version 0.7 has saturation only; set that, or api: annotations" $i) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
