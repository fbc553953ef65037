{{/* {root, w}: the rules of a model's source, see _validate.tpl. */}}
{{- define "vllm-stack.validateSource" -}}
{{- $w := .w }}{{ $source := $w.source }}{{ $uri := or $source.uri "" -}}
{{- $scheme := "hf://" }}{{ $known := false -}}
{{- if hasPrefix "hf://" $uri -}}
{{- /* hf://org/name; no pattern, which Helm would compile for each of many models. */}}
{{- $parts := splitList "/" $uri -}}
{{- $known = and (eq (len $parts) 4) (index $parts 2) (index $parts 3) (not (contains " " $uri)) -}}
{{- else -}}
{{- $scheme = regexFind "^([a-z0-9]+://|/)" $uri -}}
{{- $pattern := get (dict "pvc://" "^pvc://[^/ ][^ ]*$" "s3://" "^s3://[^/ ]+/[^ ]+$" "oci://" "^oci://[^/ ]+/[^ ]+$" "/" "^/[^ ]+$") $scheme -}}
{{- $known = and $pattern (regexMatch $pattern $uri) -}}
{{- end -}}
{{- if not $known -}}
{{- template "vllm-stack.error" (list . "source.uri" (print (ternary "is missing" (printf "%q is no model source" $uri) (eq $uri "")) "; set hf://org/name, pvc://claim/path, oci://registry/name:tag, s3://bucket/path or an absolute path in the image")) -}}
{{- else -}}
{{- if and $source.path (ne $scheme "oci://") -}}
{{- template "vllm-stack.error" (list . "source.path" "only an oci:// source has a folder beside its name; remove it, and write the path into source.uri") -}}
{{- end -}}
{{- if ne $scheme "hf://" }}{{ template "vllm-stack.validateScheme" (dict "root" .root "w" $w "scheme" $scheme) }}{{ end -}}
{{- if eq $source.download "job" }}{{ template "vllm-stack.validateDownload" . -}}
{{- else if ($source.job).claim -}}
{{- template "vllm-stack.error" (list . "source.job.claim" "nothing is downloaded into it; set source.download: job, or remove it") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* {root, w, scheme}: of a model that is not on a Hub */}}
{{- define "vllm-stack.validateScheme" -}}
{{- $w := .w }}{{ $source := $w.source }}{{ $uri := $source.uri }}{{ $scheme := .scheme -}}
{{- if $source.revision -}}
{{- template "vllm-stack.error" (list . "source.revision" "only a hf:// source has revisions; remove it") -}}
{{- end -}}
{{- if eq $scheme "oci://" -}}
{{- if semverCompare "<1.31.0-0" .root.Capabilities.KubeVersion.Version -}}
{{- template "vllm-stack.error" (list . "source.uri" (print "oci:// needs image volumes, which Kubernetes has from 1.31 and this one, " .root.Capabilities.KubeVersion.Version ", has not; copy the model to a claim and set pvc://claim/path")) -}}
{{- end -}}
{{- if not (regexMatch "(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$" (trimPrefix $scheme $uri)) -}}
{{- template "vllm-stack.error" (list . "source.uri" (print $uri " has neither tag nor digest, so pods could get different models; add :tag or @sha256:…")) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $scheme "s3://") (ne $source.download "job") -}}
{{- $format := get $w.body.args "load-format" | default "runai_streamer" -}}
{{- if not (has $format (list "auto" "runai_streamer" "runai_streamer_sharded" "modelexpress")) -}}
{{- template "vllm-stack.error" (list . "args.load-format" (print $format " cannot read s3://; set runai_streamer or runai_streamer_sharded, or source.download: job")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* {root, w}: of a model that a Job downloads */}}
{{- define "vllm-stack.validateDownload" -}}
{{- $w := .w }}{{ $source := $w.source }}{{ $job := $source.job | default dict -}}
{{- if not (or (hasPrefix "hf://" $source.uri) (hasPrefix "s3://" $source.uri)) -}}
{{- template "vllm-stack.error" (list . "source.download" (print "only hf:// and s3:// can be downloaded by a job, " $source.uri " is mounted as it is; set download: engine")) -}}
{{- else if not $job.claim -}}
{{- template "vllm-stack.error" (list . "source.job.claim" "a download needs a claim to keep the model on; set the name of a claim of storage.claims, or of the namespace") -}}
{{- else if hasKey .root.resolved.storage $job.claim -}}
{{- $c := get .root.resolved.storage $job.claim -}}
{{- if and $c.made (not (has "ReadWriteMany" ($c.body.accessModes | default (list "ReadWriteMany")))) -}}
{{- template "vllm-stack.error" (list . "source.job.claim" (print "the Job and the pods both mount " $job.claim ", which only one node can; set " $c.path ".accessModes: [ReadWriteMany], or download: engine with cache.type: claim")) -}}
{{- end -}}
{{- if and (ne (toString $job.hook) "false") $c.made (or $c.volume $c.class) -}}
{{- template "vllm-stack.error" (list . "source.job.hook" (print "a hook runs before the volume of " $c.path " exists; set hook: false, or make the claim before and set " $c.path ".existing")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
