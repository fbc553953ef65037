{{/* The rules of a model's features, see _validate.tpl. */}}

{{/* {root, w} of a shape */}}
{{- define "vllm-stack.validateFeatures" -}}
{{- $body := .w.body }}{{ $spot := $body.scheduling.spot -}}
{{- if $body.args }}{{ template "vllm-stack.validateArguments" . }}{{ end -}}
{{- if $body.warmup.prompts -}}
{{- if not .w.budgetSeconds -}}
{{- template "vllm-stack.error" (list . "warmup.prompts" "the startup probe asks them, and without startup.budgetSeconds there is none; set it") -}}
{{- end -}}
{{- if eq (toString (get $body.args "enable-prefix-caching")) "false" -}}
{{- template "vllm-stack.error" (list . "warmup.prompts" "they warm the prefix cache, which args.enable-prefix-caching: false turns off; remove one of them") -}}
{{- end -}}
{{- end -}}
{{- if and $spot $spot.noticeSeconds -}}
{{- $stop := add (int $body.shutdown.preStopSeconds) (int $body.shutdown.drainSeconds) -}}
{{- if ge (int $stop) (int $spot.noticeSeconds) -}}
{{- template "vllm-stack.error" (list . "scheduling.spot.noticeSeconds" (printf "shutdown.preStopSeconds and drainSeconds are %d s together, and the node is gone after %d s; set them so that they end before" $stop (int $spot.noticeSeconds))) -}}
{{- end -}}
{{- end -}}
{{- range $use, $name := .w.engine.openEndpoints -}}
{{- if hasKey $body.env $name -}}
{{- if eq $use "adapters" -}}
{{- template "vllm-stack.error" (list $ (print "env." $name) "the chart sets this variable; set lora.dynamic") -}}
{{- else if and (not ($.root.Values.networkPolicy).enabled) (not (has (get $body.env $name | toString) (list "" "0" "<nil>"))) -}}
{{- template "vllm-stack.error" (list $ (print "env." $name) "opens /sleep, /collective_rpc and others to whoever reaches the pod, with any key or none; set networkPolicy.enabled and networkPolicy.from") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* {root, w}: of the features that read names or the source */}}
{{- define "vllm-stack.validateOwnFeatures" -}}
{{- $body := .w.body }}{{ $lora := $body.lora -}}
{{- if and .w.engine.features (or $lora.enabled $lora.adapters $lora.dynamic) }}{{ template "vllm-stack.validateLora" . }}{{ end -}}
{{- range $feature := list "speculative" "kvOffload" -}}
{{- $set := false }}{{ range $key, $value := get $body $feature }}{{ if $value }}{{ $set = true }}{{ end }}{{ end -}}
{{- if and $set $.w.engine.features }}{{ include (print "vllm-stack.validate" (title $feature)) $ }}{{ end -}}
{{- end -}}
{{- end -}}
