{{/* {root, w} -> adds to a workload of a shape what is its own: kind, claim, source, features, arguments. */}}
{{- define "vllm-stack.derive" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $r := .root.resolved }}{{ $engine := $w.engine -}}
{{- if $w.kindChosen }}{{ template "vllm-stack.deriveKind" . }}{{ end -}}
{{- if $w.scaler }}{{ template "vllm-stack.scaling" . }}{{ end -}}
{{- if and (eq $body.cache.type "claim") (not $w.claim) -}}
{{- $_ := set $w "claim" (include "vllm-stack.name" (dict "full" (print $w.name "-cache") "limit" 63)) -}}
{{- end -}}
{{- template "vllm-stack.source" . -}}
{{- if and $w.download (not $w.download.hook) -}}
{{/* What pods wait for a download beside them, which has the same budget. */}}
{{- $_ := set $w "waitSeconds" $w.budgetSeconds -}}
{{- $_ := set $r "timeoutSeconds" (max $r.timeoutSeconds (add $w.waitSeconds $w.rolloutSeconds)) -}}
{{- $_ := set $w "initContainers" (prepend $w.initContainers (include "vllm-stack.waitForModel" . | fromYaml)) -}}
{{- end -}}
{{- if $w.particular }}{{ template "vllm-stack.deriveParticular" . }}{{ end -}}
{{- $envKey := "" }}{{ if or $w.sourceEnv $w.traceEnv }}{{ $envKey = toJson (list $w.sourceEnv $w.traceEnv) }}{{ end -}}
{{- if not (hasKey $w.envs $envKey) }}{{ $_ := set $w.envs $envKey (include "vllm-stack.env" .) }}{{ end -}}
{{- $_ := set $w "env" (get $w.envs $envKey) -}}
{{- template "vllm-stack.args" . -}}
{{- if $engine.repository }}{{ $_ := set $w.config "model.yaml" (toYaml $w.engineFile) }}{{ end -}}
{{- template "vllm-stack.validateWorkload" . -}}
{{- range $w.problems }}{{ template "vllm-stack.error" (list $ (first .) (last .)) }}{{ end -}}
{{- end -}}

{{/* {root, w}: what few workloads have */}}
{{- define "vllm-stack.deriveParticular" -}}
{{- $w := .w }}{{ $engine := $w.engine -}}
{{- if ne $w.role "server" }}{{ $_ := set .root.resolved "groups" true }}{{ end -}}
{{- if $engine.nameIsPath }}{{ $_ := set $w "servedNames" (list $w.modelPath) }}{{ end -}}
{{/* Both add files to `config`, which so far is that of the shape. */}}
{{- if or $engine.repository $w.featured }}{{ $_ := set $w "config" (omit $w.config "") }}{{ end -}}
{{- if $engine.repository }}{{ template "vllm-stack.repositoryFolder" . }}{{ end -}}
{{- if $w.featured }}{{ template "vllm-stack.features" . }}{{ end -}}
{{- if $w.observed }}{{ template "vllm-stack.observe" . }}{{ end -}}
{{- if $w.extended }}{{ template "vllm-stack.extension" . }}{{ end -}}
{{- with $w.body.workloadLabels }}{{ $_ := set $w "objectLabels" (include "vllm-stack.labels" (list $w.labels .)) }}{{ end -}}
{{- end -}}
