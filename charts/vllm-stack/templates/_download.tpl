{{/*
{root, w} -> notes the download of a workload's model in .resolved.downloads, one per claim, source and revision,
and as w.download. A claim of `storage.claims` that a hook fills is made by a hook too.
*/}}
{{- define "vllm-stack.download" -}}
{{- $w := .w }}{{ $r := .root.resolved }}{{ $source := $w.source }}{{ $job := $source.job | default dict -}}
{{- $key := print $w.modelClaim " " $w.modelPath -}}
{{- if not (hasKey $r.downloads $key) -}}
{{- $_ := set $r.downloads $key (dict "key" $key "w" $w "source" $source "job" $job "hook" (ne (toString $job.hook) "false")) -}}
{{- end -}}
{{- $d := get $r.downloads $key -}}
{{- if and $d.hook (hasKey $r.storage ($job.claim | default "")) }}{{ $_ := set (get $r.storage $job.claim) "hooked" true }}{{ end -}}
{{- $_ := set $w "download" $d -}}
{{- end -}}

{{/* [weight, policy, ...] -> annotations of a hook that has to be done before the release's own objects change */}}
{{- define "vllm-stack.hook" -}}
helm.sh/hook: pre-install,pre-upgrade,pre-rollback
helm.sh/hook-weight: {{ first . | quote }}
helm.sh/hook-delete-policy: {{ rest . | join "," }}
{{- end -}}

{{/* root -> whether some download runs as a hook */}}
{{- define "vllm-stack.anyHook" -}}
{{- range .resolved.downloads }}{{ if .hook }}true{{ end }}{{ end -}}
{{- end -}}

{{/* root -> the account of downloads that run as hooks: before the release's own account exists */}}
{{- define "vllm-stack.downloadAccount" -}}
{{- if (.Values.serviceAccount).create }}{{ template "vllm-stack.name" (dict "full" (print .Release.Name "-download") "limit" 63) }}{{ else }}{{ .resolved.serviceAccount }}{{ end -}}
{{- end -}}

{{/* {root, d} -> JSON: the variables of a download */}}
{{- define "vllm-stack.downloadEnv" -}}
{{- $d := .d }}{{ $r := .root.resolved -}}
{{- $env := dict "HOME" "/tmp" "HF_HOME" "/tmp/huggingface" "HF_HUB_DISABLE_PROGRESS_BARS" "1" "HF_XET_CHUNK_CACHE_SIZE_BYTES" "0" -}}
{{- range $name, $value := omit $d.w.body.env "HF_HUB_OFFLINE" }}{{ $_ := set $env $name $value }}{{ end -}}
{{- if hasPrefix "s3://" $d.source.uri }}{{ $env = mergeOverwrite $env (include "vllm-stack.objectStorageEnv" $d.source | fromJson) -}}
{{- else if and $d.hook ((.root.Values.secrets).huggingFace).token -}}
{{- $_ := set $env "HF_TOKEN" (dict "valueFrom" (dict "secretKeyRef" (dict "name" (include "vllm-stack.downloadSecret" .root) "key" "HF_TOKEN"))) -}}
{{- else if $r.secretEnv.HF_TOKEN }}{{ $_ := set $env "HF_TOKEN" $r.secretEnv.HF_TOKEN }}{{ end -}}
{{- $_ := set $env "SOURCE" $d.source.uri -}}
{{- $_ := set $env "REVISION" ($d.source.revision | default "") -}}
{{- $_ := set $env "TARGET" $d.w.modelPath -}}
{{- $_ := set $env "EXCLUDE" ($d.job.exclude | default list | toJson) -}}
{{- toJson $env -}}
{{- end -}}

{{- define "vllm-stack.downloadSecret" -}}
{{- template "vllm-stack.name" (dict "full" (print .Release.Name "-download") "limit" 63) -}}
{{- end -}}
