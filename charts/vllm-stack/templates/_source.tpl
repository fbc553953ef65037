{{/*
{root, w} -> adds to a workload where its model comes from: modelPath (what the engine is told), modelVolume and
modelMount (of the pod), revision, loadFormat, sourceEnv, and the download that it waits for. Names of
`storage.claims` stand for their claims, here and in the cache.
*/}}
{{- define "vllm-stack.source" -}}
{{- $w := .w }}{{ $source := $w.source }}{{ $r := .root.resolved }}{{ $uri := or $source.uri "" -}}
{{- $_ := set $w "modelPath" (trimPrefix "hf://" $uri) -}}
{{- with $source.revision }}{{ $_ := set $w "revision" . }}{{ end -}}
{{- if and (hasKey $r.storage $w.claim) (eq $w.body.cache.type "existingClaim") -}}
{{- $c := get $r.storage $w.claim -}}
{{- $_ := set $w "storageKeys" (list $c.key) -}}
{{- $_ := set $w "claim" $c.claim -}}
{{- $_ := set $w "cachePropagation" $c.propagation -}}
{{- end -}}
{{- if eq $source.download "job" -}}
{{- $folder := print (regexReplaceAll "[^A-Za-z0-9._-]" (splitList "/" (trimSuffix "/" $uri) | last) "-" | trunc 48) "-" (print $uri "@" $source.revision | sha256sum | trunc 8) -}}
{{- $_ := set $w "modelPath" (print "/models/" $folder) -}}
{{- $_ := set $w "revision" "" -}}
{{- $_ := set $w "sourceEnv" (dict "HF_HUB_OFFLINE" "1") -}}
{{- template "vllm-stack.claimMount" (dict "w" $w "r" $r "name" (($source.job).claim | default "")) -}}
{{- template "vllm-stack.download" . -}}
{{- else if hasPrefix "pvc://" $uri -}}
{{- $parts := splitn "/" 2 (trimPrefix "pvc://" $uri) -}}
{{- $_ := set $w "modelPath" (print "/models/" ($parts._1 | default "") | trimSuffix "/") -}}
{{- template "vllm-stack.claimMount" (dict "w" $w "r" $r "name" $parts._0) -}}
{{- else if hasPrefix "oci://" $uri -}}
{{- $_ := set $w "modelPath" (print "/models/" (trimAll "/" ($source.path | default "")) | trimSuffix "/") -}}
{{- $image := dict "reference" (trimPrefix "oci://" $uri) -}}
{{- with $w.body.image.pullPolicy }}{{ $_ := set $image "pullPolicy" . }}{{ end -}}
{{- $_ := set $w "modelVolume" (dict "name" "models" "image" $image) -}}
{{- $_ := set $w "modelMount" (dict "name" "models" "mountPath" "/models" "readOnly" true) -}}
{{- else if hasPrefix "s3://" $uri -}}
{{- $_ := set $w "sourceEnv" (include "vllm-stack.objectStorageEnv" $source | fromJson) -}}
{{- if not (hasKey $w.body.args "load-format") }}{{ $_ := set $w "loadFormat" "runai_streamer" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* {w, r, name} -> the read-only mount of a claim with models, at /models */}}
{{- define "vllm-stack.claimMount" -}}
{{- $w := .w }}{{ $mount := dict "name" "models" "mountPath" "/models" "readOnly" true }}{{ $claim := .name -}}
{{- if hasKey .r.storage .name -}}
{{- $c := get .r.storage .name }}{{ $claim = $c.claim -}}
{{- $_ := set $w "storageKeys" (append ($w.storageKeys | default list) $c.key | uniq) -}}
{{- with $c.propagation }}{{ $_ := set $mount "mountPropagation" . }}{{ end -}}
{{- end -}}
{{- $_ := set $w "modelClaim" $claim -}}
{{- $_ := set $w "modelMount" $mount -}}
{{- $_ := set $w "modelVolume" (dict "name" "models" "persistentVolumeClaim" (dict "claimName" $claim "readOnly" true)) -}}
{{- end -}}

{{/* source -> JSON: variables for S3 and what speaks like it. The streamer reads its endpoint from a name of its own. */}}
{{- define "vllm-stack.objectStorageEnv" -}}
{{- $o := .objectStorage | default dict }}{{ $env := dict -}}
{{- with $o.endpoint }}{{ $_ := set $env "AWS_ENDPOINT_URL" . }}{{ $_ := set $env "RUNAI_STREAMER_S3_ENDPOINT" . }}{{ end -}}
{{- with $o.region }}{{ $_ := set $env "AWS_REGION" . }}{{ $_ := set $env "AWS_DEFAULT_REGION" . }}{{ end -}}
{{- with $o.existingSecret -}}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}{{ $_ := set $env $key (dict "valueFrom" (dict "secretKeyRef" (dict "name" $o.existingSecret "key" $key))) }}{{ end -}}
{{- $_ := set $env "AWS_SESSION_TOKEN" (dict "valueFrom" (dict "secretKeyRef" (dict "name" . "key" "AWS_SESSION_TOKEN" "optional" true))) -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* {root, w, uri} -> where the engine finds an adapter or a draft model; a claim, also one of storage.claims, is mounted once. */}}
{{- define "vllm-stack.local" -}}
{{- if hasPrefix "pvc://" .uri -}}
{{- $w := .w }}{{ $parts := splitn "/" 2 (trimPrefix "pvc://" .uri) }}{{ $at := print "/claims/" $parts._0 -}}
{{- $c := get .root.resolved.storage $parts._0 | default (dict "claim" $parts._0) }}{{ $claim := $c.claim -}}
{{- $mounted := false }}{{ range $w.mounts }}{{ if eq .mountPath $at }}{{ $mounted = true }}{{ end }}{{ end -}}
{{- if eq $claim ($w.modelClaim | default "") }}{{ $at = "/models" -}}
{{- else if not $mounted -}}
{{- $name := print "claim-" (len $w.mounts) -}}
{{- $mount := dict "name" $name "mountPath" $at "readOnly" true }}{{ with $c.propagation }}{{ $_ := set $mount "mountPropagation" . }}{{ end -}}
{{- $_ := set $w "mounts" (append $w.mounts $mount) -}}
{{- if $c.key }}{{ $_ := set $w "storageKeys" (append ($w.storageKeys | default list) $c.key | uniq) }}{{ end -}}
{{- $_ := set $w "featureClaims" (append ($w.featureClaims | default list) $claim) -}}
{{- $_ := set $w "volumes" (append $w.volumes (dict "name" $name "persistentVolumeClaim" (dict "claimName" $claim "readOnly" true))) -}}
{{- end -}}
{{- print $at "/" ($parts._1 | default "") | trimSuffix "/" -}}
{{- else }}{{ trimPrefix "hf://" .uri }}{{ end -}}
{{- end -}}
