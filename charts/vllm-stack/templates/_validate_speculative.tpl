{{/* {root, w}: the rules of speculative decoding (vllm/config/speculative.py), see _validate.tpl */}}
{{- define "vllm-stack.validateSpeculative" -}}
{{- $w := .w }}{{ $s := $w.body.speculative }}{{ $methods := $w.engine.speculativeMethods }}{{ $method := $s.method | default "" -}}
{{- $config := $s.config | default dict }}{{ $uses := get $methods $method | default "" -}}
{{- if not $method -}}
{{- template "vllm-stack.error" (list . "speculative.method" (print "is missing, so that nothing uses the rest; set one of: " (keys $methods | sortAlpha | join ", "))) -}}
{{- else if not $uses -}}
{{- $what := ternary "was one of the names of mtp; set mtp" (print "is no method of " $w.engine.image " " $w.engine.tag "; set one of: " (keys $methods | sortAlpha | join ", ")) (hasSuffix "_mtp" $method) -}}
{{- template "vllm-stack.error" (list . "speculative.method" (printf "%q %s" $method $what)) -}}
{{- else if and (eq $uses "model") (not $s.model) -}}
{{- template "vllm-stack.error" (list . "speculative.model" (printf "%s needs a model that drafts; set hf://org/name, pvc://claim/path or a path in the image" $method)) -}}
{{- else if and (eq $uses "none") $s.model -}}
{{- template "vllm-stack.error" (list . "speculative.model" (printf "%s drafts without a model; remove it" $method)) -}}
{{- else if and $s.model (ne $method "custom_class") (not (regexMatch "^(hf://[^/ ]+/[^/ ]+|pvc://[^/ ]+/[^ ]+|/[^ ]+)$" $s.model)) -}}
{{- template "vllm-stack.error" (list . "speculative.model" (printf "%q is no source of a model; set hf://org/name, pvc://claim/path or a path in the image" $s.model)) -}}
{{- end -}}
{{- $unknown := not (or (hasKey $s "numTokens") (eq $method "suffix")) -}}
{{- if and $uses $unknown (or (not $s.model) (has $method (list "draft_model" "eagle" "eagle3" "custom_class"))) -}}
{{- template "vllm-stack.error" (list . "speculative.numTokens" (printf "%s does not say how long a draft is; set it, for example 3" $method)) -}}
{{- end -}}
{{- range $key, $better := dict "method" "speculative.method" "model" "speculative.model" "num_speculative_tokens" "speculative.numTokens" "tensor_parallel_size" "draft_tensor_parallel_size beside it" -}}
{{- if hasKey $config $key }}{{ template "vllm-stack.error" (list $ (print "speculative.config." $key) (print "is not set here; set " $better)) }}{{ end -}}
{{- end -}}
{{- with get $config "draft_tensor_parallel_size" -}}
{{- $tensor := int ($w.body.parallelism.tensor | default 1) -}}
{{- if not (has (int .) (list 1 $tensor)) -}}
{{- template "vllm-stack.error" (list $ "speculative.config.draft_tensor_parallel_size" (printf "%d is neither 1 nor parallelism.tensor: %d; set one of them" (int .) $tensor)) -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $config "prompt_lookup_min") (hasKey $config "prompt_lookup_max") (gt (int $config.prompt_lookup_min) (int $config.prompt_lookup_max)) -}}
{{- template "vllm-stack.error" (list . "speculative.config.prompt_lookup_min" (printf "%d is above prompt_lookup_max: %d; set at most that" (int $config.prompt_lookup_min) (int $config.prompt_lookup_max))) -}}
{{- end -}}
{{- end -}}
