{{/* {root, w}: values and pairs of flags that vLLM refuses after it has started, see _validate.tpl */}}
{{- define "vllm-stack.validateArguments" -}}
{{- $w := .w }}{{ $args := $w.body.args }}{{ $engine := $w.engine -}}
{{- range $flag, $known := $engine.choices -}}
{{- if hasKey $args $flag -}}
{{- $value := get $args $flag | toString }}{{ $plugin := get $engine.plugins $flag | default "-" -}}
{{- if not (or (contains (print " " $value " ") $known) (hasKey $args $plugin)) -}}
{{- template "vllm-stack.error" (list $ (print "args." $flag) (printf "%s %s knows no %q; set one of: %s" $engine.image $engine.tag $value (trim $known | replace " " ", "))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (get $args "enable-auto-tool-choice") (not (get $args "tool-call-parser")) -}}
{{- template "vllm-stack.error" (list $ "args.enable-auto-tool-choice" "needs the parser of the model's calls; set tool-call-parser, for example hermes") -}}
{{- end -}}
{{- if and (get $args "enable-log-outputs") (not (get $args "enable-log-requests")) -}}
{{- template "vllm-stack.error" (list $ "args.enable-log-outputs" "needs enable-log-requests; set it to true") -}}
{{- end -}}
{{- if and (get $args "enable-sleep-mode") (not $w.body.accelerator.resource) -}}
{{- template "vllm-stack.error" (list $ "args.enable-sleep-mode" "frees the memory of a GPU, and accelerator.resource asks for none; remove it") -}}
{{- end -}}
{{- $active := get $args "max-num-active-seqs" }}{{ $most := get $args "max-num-seqs" -}}
{{- if and (kindIs "float64" $active) (kindIs "float64" $most) (gt (int $active) (int $most)) -}}
{{- template "vllm-stack.error" (list $ "args.max-num-active-seqs" (printf "%d is above max-num-seqs: %d; set at most that" (int $active) (int $most))) -}}
{{- end -}}
{{- if eq (include "vllm-stack.scalar" (get $args "max-num-queued-reqs")) "0" -}}
{{- template "vllm-stack.error" (list $ "args.max-num-queued-reqs" "counts running requests too, so that 0 refuses all of them; set max-num-seqs and the queue you allow") -}}
{{- end -}}
{{- range $feature, $switch := dict "lora" "enabled" "speculative" "method" "kvOffload" "backend" -}}
{{- if get (get $w.body $feature) $switch -}}
{{- range $key, $option := index ($engine.features | default dict) $feature -}}
{{- range $flag, $_ := $args -}}
{{- if eq (print "--" (regexFind "^[^.]+" $flag)) $option -}}
{{- template "vllm-stack.error" (list $ (print "args." $flag) (printf "is already said by %s; set %s.%s, or remove %s" $feature $feature $key $feature)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
