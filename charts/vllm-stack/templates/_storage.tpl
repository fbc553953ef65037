{{/*
root -> .resolved.storage, the claims of `storage.claims` by their name in the values:
{claim, base, body, backing, made, volume, class, secret, options, propagation}. `claim` is the name in the namespace;
`base`, by its hash, is never the name of a workload: Helm deletes a hook of that name before it makes it.
*/}}
{{- define "vllm-stack.resolveStorage" -}}
{{- $root := . }}{{ $claims := dict -}}
{{- range $key, $values := .Values.storage.claims -}}
{{- if kindIs "map" $values -}}
{{- $body := deepCopy $values }}{{ template "vllm-stack.prune" $body -}}
{{- $base := include "vllm-stack.name" (dict "full" (print $root.Release.Name "." $key) "limit" 52) -}}
{{- $backing := "class" -}}
{{- range $kind := list "juicefs" "csi" "nfs" "existing" }}{{ if index $body $kind }}{{ $backing = $kind }}{{ end }}{{ end -}}
{{- $c := dict "key" $key "path" (print "storage.claims." $key) "base" $base "body" $body "backing" $backing
      "made" (ne $backing "existing") "claim" (print "models-" $base "-0") "volume" "" "class" "" "secret" ""
      "options" ($body.mountOptions | default list) "propagation" ($body.mountPropagation | default "") -}}
{{- if eq $backing "existing" }}{{ $_ := set $c "claim" $body.existing }}{{ end -}}
{{- $cluster := print $root.Release.Namespace "." $root.Release.Name "." $key -}}
{{- if eq $backing "juicefs" }}{{ template "vllm-stack.resolveJuicefs" (dict "c" $c "cluster" $cluster) }}{{ end -}}
{{- if or (has $backing (list "nfs" "csi")) (and (eq $backing "juicefs") (not $c.class)) -}}
{{- $_ := set $c "volume" (include "vllm-stack.name" (dict "full" $cluster "limit" 63)) -}}
{{- end -}}
{{- $_ := set $claims $key $c -}}
{{- end -}}
{{- end -}}
{{- $_ := set .resolved "storage" $claims -}}
{{- end -}}

{{/*
{c, cluster} -> what a claim on JuiceFS has beside others: its Secret, the mount options that reading weights wants
(large read-ahead; names and attributes kept for a minute, as files of a whole model never change), and the
propagation that brings the mount back into pods when its client has restarted.
*/}}
{{- define "vllm-stack.resolveJuicefs" -}}
{{- $c := .c }}{{ $j := $c.body.juicefs -}}
{{- $options := dict "buffer-size" "1024" "attr-cache" "60" "entry-cache" "60" "dir-entry-cache" "60" -}}
{{- with $j.cacheDir }}{{ $_ := set $options "cache-dir" . }}{{ end -}}
{{- with $j.cacheSize }}{{ $_ := set $options "cache-size" (include "vllm-stack.mebibytes" . | float64 | floor | printf "%.0f") }}{{ end -}}
{{- range $c.options }}{{ $part := splitn "=" 2 . }}{{ $_ := set $options $part._0 ($part._1 | default "") }}{{ end -}}
{{- $list := list -}}
{{- range $name, $value := $options }}{{ $list = append $list (ternary (print $name "=" $value) $name (ne $value "")) }}{{ end -}}
{{- $_ := set $c "options" $list -}}
{{- $_ := set $c "secret" ($j.existingSecret | default (print "juicefs-" $c.base)) -}}
{{- if not $c.propagation }}{{ $_ := set $c "propagation" "HostToContainer" }}{{ end -}}
{{- if ne ($j.provisioning | default "dynamic") "static" -}}
{{- $_ := set $c "class" (include "vllm-stack.name" (dict "full" (print "juicefs." .cluster) "limit" 63)) -}}
{{- end -}}
{{- end -}}

{{/* claim -> the spec of its PersistentVolumeClaim */}}
{{- define "vllm-stack.claimSpec" -}}
accessModes: {{ toJson (.body.accessModes | default (list "ReadWriteMany")) }}
{{- if .class }}
storageClassName: {{ .class }}
{{- else if .volume }}
storageClassName: ""
volumeName: {{ .volume }}
{{- else if hasKey .body "storageClassName" }}
storageClassName: {{ quote .body.storageClassName }}
{{- end }}
{{- with .body.dataSource }}
dataSource: {{ toJson . }}
{{- end }}
resources:
  requests:
    storage: {{ include "vllm-stack.scalar" .body.size | quote }}
{{- end -}}
