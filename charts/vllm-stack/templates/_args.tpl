{{/* {root, w} -> w.args, the command line of the engine: settings, features, groups, then what the user wrote. */}}
{{- define "vllm-stack.args" -}}
{{- $w := .w }}{{ $engine := $w.engine }}{{ $flags := $engine.settings }}{{ $names := $w.servedNames }}{{ $model := list -}}
{{- if $engine.repository -}}
{{- $_ := set $w "engineFile" (set (omit $w.engineFile "") $engine.repository.settings.model $w.modelPath) -}}
{{- else if $flags.model }}{{ $model = list (print $flags.model "=" $w.modelPath) -}}
{{- else if hasKey $flags "model" }}{{ $model = list $w.modelPath }}{{ end -}}
{{- $several := gt (len $names) 1 -}}
{{- if and $several (not $engine.severalNames) -}}
{{- template "vllm-stack.error" (list . "servedNames" (printf "engine %s serves a model under one name; set one" $w.body.engine)) -}}
{{- end -}}
{{- if not $flags.servedNames }}{{ $names = list -}}
{{- else if $several }}{{ $names = prepend $names $flags.servedNames -}}
{{- else }}{{ $names = list (print $flags.servedNames "=" (index $names 0)) }}{{ end -}}
{{- $more := list -}}
{{- if or $w.revision $w.loadFormat -}}
{{- $_ := set $w "args" list -}}
{{- $keys := list }}{{ range $key := list "revision" "loadFormat" }}{{ if get $w $key }}{{ $keys = append $keys $key }}{{ end }}{{ end -}}
{{- template "vllm-stack.spell" (dict "root" .root "w" $w "set" $w "keys" $keys) -}}
{{- $more = $w.args -}}
{{- end -}}
{{- $_ := set $w "args" (concat $model $w.portArgs $names $more $w.shapeSettings $w.featureArgs $w.ownArgs $w.userArgs) -}}
{{- end -}}

{{/* {root, w} of a shape -> w.shapeSettings and w.userArgs, the parts of the command line that no name is in. The one
place where a flag of `args` is spelled and where its name and the shape of its value are checked, against the table of
the engine's file. */}}
{{- define "vllm-stack.shapeArgs" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $engine := $w.engine }}{{ $owned := $engine.owned }}{{ $flags := $engine.flags }}{{ $args := list -}}
{{- template "vllm-stack.shapeSettings" . -}}
{{- if $engine.repository }}{{ template "vllm-stack.repository" . -}}
{{- else if not $flags }}{{ $args = include "vllm-stack.plainArgs" $body.args | fromJsonArray -}}
{{- else -}}
{{- range $flag, $value := $body.args -}}
{{- $named := print " " $flag " " }}{{ $option := print "--" $flag }}{{ $problem := "" -}}
{{- if hasKey $owned $flag -}}
{{- $problem = print "the chart sets this flag; " (get $owned $flag) -}}
{{- else if kindIs "invalid" $value -}}
{{- else if contains $named $flags.values -}}
{{- if or (kindIs "bool" $value) (kindIs "map" $value) (kindIs "slice" $value) }}{{ $problem = "takes one value; set a text or a number" -}}
{{- else }}{{ $args = append $args (print $option "=" (include "vllm-stack.scalar" $value)) }}{{ end -}}
{{- else if contains $named $flags.switches -}}
{{- if kindIs "bool" $value }}{{ $args = append $args (ternary $option (print "--no-" $flag) $value) -}}
{{- else }}{{ $problem = "is a switch; set true or false" }}{{ end -}}
{{- else if contains $named $flags.trueOnly -}}
{{- if not (kindIs "bool" $value) }}{{ $problem = "is a switch; set true or false" -}}
{{- else if $value }}{{ $args = append $args $option }}{{ end -}}
{{- else if or (contains $named $flags.json) (contains (print " " (regexFind "^[^.]+" $flag) " ") $flags.json) -}}
{{- if and (contains $named $flags.json) (or (kindIs "bool" $value) (kindIs "float64" $value) (kindIs "int64" $value)) }}{{ $problem = "takes JSON; set a map or a list" -}}
{{- else }}{{ $args = append $args (print $option "=" (kindIs "string" $value | ternary $value (toRawJson $value))) }}{{ end -}}
{{- else if or (contains $named $flags.lists) (contains $named $flags.repeated) -}}
{{- if kindIs "map" $value }}{{ $problem = "takes several values; set a list" -}}
{{- else -}}
{{- $repeat := contains $named $flags.repeated -}}
{{- range $i, $item := kindIs "slice" $value | ternary $value (list $value) -}}
{{- if or $repeat (eq $i 0) }}{{ $args = append $args $option }}{{ end -}}
{{- $args = append $args (kindIs "map" $item | ternary (toRawJson $item) (include "vllm-stack.scalar" $item)) -}}
{{- end -}}
{{- end -}}
{{- else }}{{ $problem = include "vllm-stack.unknownFlag" (dict "flag" $flag "engine" $w.engine) }}{{ end -}}
{{- if $problem }}{{ template "vllm-stack.error" (list $ (print "args." $flag) $problem) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $arg := $body.extraArgs -}}
{{- if regexMatch "^--(api[-_]key|hf[-_]token)(=|$)" $arg -}}
{{- template "vllm-stack.error" (list $ "extraArgs" (printf "%s would show a secret in the pod; set secrets" (regexFind "^[^=]+" $arg))) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $w "userArgs" (concat $args ($body.extraArgs | default list)) -}}
{{- end -}}

{{/* A number or text as text: YAML integers reach Helm as floats, which print as 1e+06. */}}
{{- define "vllm-stack.scalar" -}}
{{- if not (kindIs "float64" .) }}{{ . }}{{ else if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}

{{/* {flag, engine} -> the rule that an unknown flag breaks, with the name that was probably meant */}}
{{- define "vllm-stack.unknownFlag" -}}
{{- $all := join " " (values .engine.flags) -}}
{{- $plain := .flag | trimPrefix "--" | replace "_" "-" -}}
{{- $positive := regexReplaceAll "^(no|disable|no-enable|no-disable)-" $plain "" -}}
{{- print .engine.image " " .engine.tag " has no such flag; " -}}
{{- if contains (print " " $plain " ") $all }}write it {{ $plain -}}
{{- else if and (ne $positive $plain) (contains (print " enable-" $positive " ") $all) }}write enable-{{ $positive }}: false
{{- else if and (ne $positive $plain) (contains (print " " $positive " ") $all) }}write {{ $positive }}: false
{{- else -}}
{{- $near := list }}{{ $stem := trunc (max 4 (sub (len $plain) 4) | int) $plain -}}
{{- range $known := splitList " " $all }}{{ if hasPrefix $stem $known }}{{ $near = append $near $known }}{{ end }}{{ end -}}
{{- if $near }}did you mean {{ join " or " (sortAlpha $near) }}?{{ else }}see `{{ .engine.help }}`{{ end -}}
{{- end -}}
{{- end -}}
