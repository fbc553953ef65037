{{/* The rules of one workload, see _validate.tpl. */}}

{{/* [{root, w}, key, message] -> notes an error of a workload, or of a shape, whose workloads then report it. What a
variant inherits is reported once, at the model. */}}
{{- define "vllm-stack.error" -}}
{{- $r := (index . 0).root.resolved }}{{ $w := (index . 0).w }}{{ $line := print (index . 1) ": " (index . 2) -}}
{{- $id := print $w.model " " $line -}}
{{- if not (hasKey $w "path") }}{{ $_ := set $w "problems" (append $w.problems (rest .)) -}}
{{- else if not (hasKey $r.seen $id) -}}
{{- $_ := set $r.seen $id true -}}
{{- $_ := set $r "errors" (append $r.errors (print $w.path "." $line)) -}}
{{- end -}}
{{- end -}}

{{/* {root, w} */}}
{{- define "vllm-stack.validateWorkload" -}}
{{- $w := .w -}}
{{- template "vllm-stack.validateSource" . -}}
{{- if $w.scaler }}{{ template "vllm-stack.validateScaling" . }}{{ end -}}
{{- if $w.own -}}
{{- range $key, $_ := pick $w.own "source" "servedNames" "service" "tls" "variants" -}}
{{- template "vllm-stack.error" (list $ $key (print "variants share it, they are workloads of one model; set models." $w.model "." $key)) -}}
{{- end -}}
{{- end -}}
{{- if $w.particular }}{{ template "vllm-stack.validateParticular" . }}{{ end -}}
{{- end -}}

{{/* {root, w}: of what few workloads have */}}
{{- define "vllm-stack.validateParticular" -}}
{{- $w := .w }}{{ $body := $w.body -}}
{{- if or (hasKey $w "ownClaims") $body.scheduling.exclusiveTopology }}{{ template "vllm-stack.validateKind" . }}{{ end -}}
{{- if or (gt $w.nodes 1) (ne $w.balancing "internal") }}{{ template "vllm-stack.validateGroup" . }}{{ end -}}
{{- if ne $w.role "server" }}{{ template "vllm-stack.validateRole" . }}{{ end -}}
{{- if and $w.engine.nameIsPath $w.namesGiven -}}
{{- template "vllm-stack.error" (list . "servedNames" (printf "engine %s serves a model under its own path; remove it, clients ask for %s" $body.engine $w.modelPath)) -}}
{{- end -}}
{{- if and $w.engine.repository (not (regexMatch "^[A-Za-z0-9][A-Za-z0-9._-]*$" (first $w.servedNames))) -}}
{{- template "vllm-stack.error" (list . "servedNames" (printf "engine %s makes a folder of the name %q; set one of letters, digits, dots and dashes" $body.engine (first $w.servedNames))) -}}
{{- end -}}
{{- if $w.featured }}{{ template "vllm-stack.validateOwnFeatures" . }}{{ end -}}
{{- range $label, $_ := $body.podLabels -}}
{{- if contains (print "\n" $label ":") (print "\n" $w.selector) -}}
{{- template "vllm-stack.error" (list $ (print "podLabels." $label) "is a label of the selector; remove it") -}}
{{- end -}}
{{- end -}}
{{- end -}}
