{{/* a size -> what is wrong with it, if anything: without a unit it is bytes, which a claim would round up to next to nothing */}}
{{- define "vllm-stack.sizeError" -}}
{{- $mebibytes := include "vllm-stack.mebibytes" . | float64 -}}
{{- if and (gt $mebibytes 0.0) (lt $mebibytes 1.0) -}}
{{- $size := include "vllm-stack.scalar" . -}}
{{- printf "%s is less than 1 MiB; set the unit that is meant, for example %sGi" $size (regexFind "^[0-9.]+" $size) -}}
{{- end -}}
{{- end -}}

{{/* root -> JSON list of what is wrong with storage.claims */}}
{{- define "vllm-stack.storageErrors" -}}
{{- $errors := list }}{{ $pods := dict -}}
{{- range $w := .resolved.workloads }}{{ range $w.storageKeys }}{{ $_ := set $pods . (add $w.replicas (get $pods . | default 0)) }}{{ end }}{{ end -}}
{{- range $key, $c := .resolved.storage -}}
{{- $body := $c.body }}{{ $own := list }}{{ $users := int (get $pods $key | default 0) -}}
{{- range $kind := list "existing" "nfs" "csi" "juicefs" }}{{ if hasKey $body $kind }}{{ $own = append $own $kind }}{{ end }}{{ end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" $key) -}}
{{- $errors = append $errors (print $c.path ": the name is no DNS-1035 label (a-z, 0-9 and -, beginning with a letter, at most 63); rename it") -}}
{{- end -}}
{{- if gt (len $own) 1 -}}
{{- $errors = append $errors (print $c.path ": " (join " and " $own) " exclude each other; set one of them") -}}
{{- else if not $c.made -}}
{{- with omit $body "existing" "mountPropagation" | keys | sortAlpha -}}
{{- $errors = append $errors (print $c.path "." (first .) ": a claim that exists is used as it is; remove " (join ", " .)) -}}
{{- end -}}
{{- else -}}
{{- if not $body.size -}}
{{- $errors = append $errors (print $c.path ".size: a claim needs a size; set the sizes of its models and a fifth more, for example 200Gi") -}}
{{- else -}}
{{- with include "vllm-stack.sizeError" $body.size }}{{ $errors = append $errors (print $c.path ".size: " .) }}{{ end -}}
{{- end -}}
{{- if $own -}}
{{- range $field, $_ := pick $body "storageClassName" "dataSource" -}}
{{- $errors = append $errors (print $c.path "." $field ": " (first $own) " decides where the volume comes from; remove it") -}}
{{- end -}}
{{- else if $c.options -}}
{{- $errors = append $errors (print $c.path ".mountOptions: the StorageClass decides them; set them there, or a volume of your own (nfs, csi, juicefs)") -}}
{{- end -}}
{{- if and (gt $users 1) (not (or (has "ReadWriteMany" ($body.accessModes | default (list "ReadWriteMany"))) (has "ReadOnlyMany" $body.accessModes))) -}}
{{- $errors = append $errors (printf "%s.accessModes: %d pods mount it, which only one node can; set [ReadWriteMany], or replicas: 1" $c.path $users) -}}
{{- end -}}
{{- if hasKey $body "juicefs" }}{{ with mergeOverwrite (dict "provisioning" "dynamic") $body.juicefs -}}
{{- if eq (empty .existingSecret) (empty .secret) -}}
{{- $errors = append $errors (print $c.path ".juicefs: " (ternary "the file system needs its credentials" "existingSecret and secret exclude each other" (empty .secret)) "; set existingSecret: the Secret with name, metaurl, storage, bucket, access-key and secret-key") -}}
{{- end -}}
{{- if and (eq .provisioning "static") .pathPattern -}}
{{- $errors = append $errors (print $c.path ".juicefs.pathPattern: a static volume shows the whole file system; remove it, or set mountOptions: [subdir=…]") -}}
{{- end -}}
{{- end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
