{{/* How each engine is told what the chart sets itself: `settings` of its file spells it. */}}

{{/* {root, w} -> w.args so far: the chart's own settings. What an engine has no spelling for is refused. */}}
{{- define "vllm-stack.settings" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $engine := $w.engine }}{{ $p := $body.parallelism -}}
{{- $spelled := $engine.settings }}{{ $filed := ($engine.repository | default dict).settings | default dict -}}
{{- $set := dict "model" $w.modelPath "port" $w.port "servedNames" $w.servedNames -}}
{{- range $key := list "revision" "loadFormat" }}{{ with get $w $key }}{{ $_ := set $set $key . }}{{ end }}{{ end -}}
{{- with $w.chatTemplatePath }}{{ $_ := set $set "chatTemplate" . }}{{ end -}}
{{- range $key := list "tensor" "pipeline" "data" -}}
{{- $size := int (index $p $key) }}{{ if gt $size 1 }}{{ $_ := set $set $key $size }}{{ end -}}
{{- end -}}
{{- if $p.expert }}{{ $_ := set $set "expert" $p.tensor }}{{ end -}}
{{- if hasKey $body.shutdown "drainSeconds" }}{{ $_ := set $set "drainSeconds" (int $body.shutdown.drainSeconds) }}{{ end -}}
{{- $args := list }}{{ $file := dict -}}
{{- range $key := list "model" "port" "servedNames" "revision" "loadFormat" "chatTemplate" "tensor" "pipeline" "data" "expert" "drainSeconds" -}}
{{- if hasKey $set $key -}}
{{- $value := get $set $key }}{{ $flag := get $spelled $key -}}
{{- if hasKey $filed $key }}{{ $_ := set $file (get $filed $key) $value -}}
{{- else if not (hasKey $spelled $key) -}}
{{- /* An engine with no spelling at all is told by its own args; parallelism then counts its GPUs. */}}
{{- $told := list "model" "port" "servedNames" "drainSeconds" }}{{ if not (or $spelled $filed) }}{{ $told = concat $told (list "tensor" "pipeline" "data" "expert") }}{{ end -}}
{{- if not (has $key $told) -}}
{{- include "vllm-stack.error" (list $ (include "vllm-stack.settingPath" $key) (printf "engine %s has no setting for it; remove it, or set engine: vllm" $body.engine)) -}}
{{- end -}}
{{- else if not $flag }}{{ $args = append $args $value -}}
{{- else if eq $key "servedNames" -}}
{{- $args = ternary (concat (append $args $flag) $value) (append $args (print $flag "=" (first $value))) $engine.severalNames -}}
{{- else if eq $key "expert" }}{{ $args = append $args (replace "TENSOR" (print (int $value)) $flag) -}}
{{- else }}{{ $args = append $args (print $flag "=" $value) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with $engine.fixed }}{{ $args = concat $args . }}{{ end -}}
{{- if and $engine.apiKeyFlag $.root.resolved.secretEnv.VLLM_API_KEY }}{{ $args = append $args $engine.apiKeyFlag }}{{ end -}}
{{- if and (gt (len $w.servedNames) 1) (not $engine.severalNames) -}}
{{- include "vllm-stack.error" (list . "servedNames" (printf "engine %s serves a model under one name; set one" $body.engine)) -}}
{{- end -}}
{{- $_ := set $w "args" $args }}{{ $_ := set $w "engineFile" $file -}}
{{- end -}}

{{/* a setting -> its key in the body of a model */}}
{{- define "vllm-stack.settingPath" -}}
{{- if eq . "revision" }}source.revision{{ else if eq . "loadFormat" }}source.uri{{ else if eq . "chatTemplate" }}chatTemplate{{ else }}parallelism.{{ . }}{{ end -}}
{{- end -}}

{{/* args of an engine without a table -> JSON list: as most command lines read them. */}}
{{- define "vllm-stack.plainArgs" -}}
{{- $args := list -}}
{{- range $flag, $value := . -}}
{{- $option := print "--" $flag -}}
{{- if kindIs "bool" $value }}{{ if $value }}{{ $args = append $args $option }}{{ end -}}
{{- else if kindIs "slice" $value }}{{ $args = append $args $option }}{{ range $value }}{{ $args = append $args (include "vllm-stack.scalar" .) }}{{ end -}}
{{- else if kindIs "map" $value }}{{ $args = append $args (print $option "=" (toRawJson $value)) -}}
{{- else if not (kindIs "invalid" $value) }}{{ $args = append $args (print $option "=" (include "vllm-stack.scalar" $value)) }}{{ end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{/* {root, w} -> w.engineFile, the model.yaml of an engine that reads a model repository. */}}
{{- define "vllm-stack.repository" -}}
{{- $w := .w }}{{ $repository := $w.engine.repository }}{{ $file := $w.engineFile -}}
{{- range $key, $value := $w.body.args -}}
{{- if hasKey $repository.owned $key -}}
{{- include "vllm-stack.error" (list $ (print "args." $key) (print "the chart sets this argument; " (get $repository.owned $key))) -}}
{{- else if not (kindIs "invalid" $value) }}{{ $_ := set $file $key $value }}{{ end -}}
{{- end -}}
{{- range $key, $value := $repository.fixed }}{{ $_ := set $file $key $value }}{{ end -}}
{{- end -}}
