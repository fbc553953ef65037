{{/* How each engine is told what the chart sets itself: `settings` of its file spells it. */}}

{{/* {root, w} of a shape -> w.portArgs and w.shapeSettings, the settings that hold no name; w.engineFile, if the engine
reads a file. */}}
{{- define "vllm-stack.shapeSettings" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $engine := $w.engine }}{{ $p := $body.parallelism }}{{ $set := dict -}}
{{- with $w.chatTemplatePath }}{{ $_ := set $set "chatTemplate" . }}{{ end -}}
{{- range $key := list "tensor" "pipeline" "data" -}}
{{- $size := int (index $p $key) }}{{ if gt $size 1 }}{{ $_ := set $set $key $size }}{{ end -}}
{{- end -}}
{{- if $p.expert }}{{ $_ := set $set "expert" $p.tensor }}{{ end -}}
{{- if hasKey $body.shutdown "drainSeconds" }}{{ $_ := set $set "drainSeconds" (int $body.shutdown.drainSeconds) }}{{ end -}}
{{- $_ := set $w "args" list }}{{ $_ := set $w "engineFile" dict -}}
{{- template "vllm-stack.spell" (dict "root" .root "w" $w "set" (dict "port" $w.port) "keys" (list "port")) -}}
{{- $_ := set $w "portArgs" $w.args }}{{ $_ := set $w "args" list -}}
{{- $keys := list }}{{ range $key := list "chatTemplate" "tensor" "pipeline" "data" "expert" "drainSeconds" }}{{ if hasKey $set $key }}{{ $keys = append $keys $key }}{{ end }}{{ end -}}
{{- template "vllm-stack.spell" (dict "root" .root "w" $w "set" $set "keys" $keys) -}}
{{- $args := concat $w.args ($engine.fixed | default list) -}}
{{- if and $engine.apiKeyFlag .root.resolved.secretEnv.VLLM_API_KEY }}{{ $args = append $args $engine.apiKeyFlag }}{{ end -}}
{{- $_ := set $w "shapeSettings" $args -}}
{{- end -}}

{{/* {root, w, set, keys} -> w.args with these settings, or w.engineFile. What an engine has no spelling for is refused. */}}
{{- define "vllm-stack.spell" -}}
{{- $w := .w }}{{ $set := .set }}{{ $engine := $w.engine }}{{ $args := $w.args -}}
{{- $spelled := $engine.settings }}{{ $filed := ($engine.repository | default dict).settings | default dict -}}
{{- range $key := .keys -}}
{{- $value := get $set $key }}{{ $flag := get $spelled $key -}}
{{- if hasKey $filed $key }}{{ $_ := set $w.engineFile (get $filed $key) $value -}}
{{- else if not (hasKey $spelled $key) -}}
{{- /* An engine with no spelling at all is told by its own args; parallelism then counts its GPUs. */}}
{{- $told := list "port" "drainSeconds" }}{{ if not (or $spelled $filed) }}{{ $told = concat $told (list "tensor" "pipeline" "data" "expert") }}{{ end -}}
{{- if not (has $key $told) -}}
{{- template "vllm-stack.error" (list $ (include "vllm-stack.settingPath" $key) (printf "engine %s has no setting for it; remove it, or set engine: vllm" $w.body.engine)) -}}
{{- end -}}
{{- else if not $flag }}{{ $args = append $args $value -}}
{{- else if eq $key "expert" }}{{ $args = append $args (replace "TENSOR" (print (int $value)) $flag) -}}
{{- else }}{{ $args = append $args (print $flag "=" $value) }}{{ end -}}
{{- end -}}
{{- $_ := set $w "args" $args -}}
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
{{- template "vllm-stack.error" (list $ (print "args." $key) (print "the chart sets this argument; " (get $repository.owned $key))) -}}
{{- else if not (kindIs "invalid" $value) }}{{ $_ := set $file $key $value }}{{ end -}}
{{- end -}}
{{- range $key, $value := $repository.fixed }}{{ $_ := set $file $key $value }}{{ end -}}
{{- end -}}
