{{/* The rules of a model's features, see _validate.tpl; each define takes {root, w}. */}}
{{- define "vllm-stack.validateFeatures" -}}
{{- $body := .w.body }}{{ $spot := $body.scheduling.spot -}}
{{- if $body.args }}{{ include "vllm-stack.validateArguments" . }}{{ end -}}
{{- range $name, $lora := pick $body "lora" -}}
{{- if or $lora.enabled $lora.adapters $lora.dynamic }}{{ include "vllm-stack.validateLora" $ }}{{ end -}}
{{- end -}}
{{- range $feature := list "speculative" "kvOffload" -}}
{{- $set := false }}{{ range $key, $value := get $body $feature }}{{ if $value }}{{ $set = true }}{{ end }}{{ end -}}
{{- if $set }}{{ include (print "vllm-stack.validate" (title $feature)) $ }}{{ end -}}
{{- end -}}
{{- if $body.warmup.prompts -}}
{{- if not .w.budgetSeconds -}}
{{- include "vllm-stack.error" (list . "warmup.prompts" "the startup probe asks them, and without startup.budgetSeconds there is none; set it") -}}
{{- end -}}
{{- if eq (toString (get $body.args "enable-prefix-caching")) "false" -}}
{{- include "vllm-stack.error" (list . "warmup.prompts" "they warm the prefix cache, which args.enable-prefix-caching: false turns off; remove one of them") -}}
{{- end -}}
{{- end -}}
{{- if and $spot $spot.noticeSeconds -}}
{{- $stop := add (int $body.shutdown.preStopSeconds) (int $body.shutdown.drainSeconds) -}}
{{- if ge (int $stop) (int $spot.noticeSeconds) -}}
{{- include "vllm-stack.error" (list . "scheduling.spot.noticeSeconds" (printf "shutdown.preStopSeconds and drainSeconds are %d s together, and the node is gone after %d s; set them so that they end before" $stop (int $spot.noticeSeconds))) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := pick $body.env "VLLM_ALLOW_RUNTIME_LORA_UPDATING" "VLLM_SERVER_DEV_MODE" -}}
{{- if eq $name $.w.engine.openEndpoints.adapters -}}
{{- include "vllm-stack.error" (list $ (print "env." $name) "the chart sets this variable; set lora.dynamic") -}}
{{- else if and (not ($.root.Values.networkPolicy).enabled) (not (has (toString $value) (list "" "0" "<nil>"))) -}}
{{- include "vllm-stack.error" (list $ (print "env." $name) "opens /sleep, /collective_rpc and others to whoever reaches the pod, with any key or none; set networkPolicy.enabled and networkPolicy.from") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Values and pairs of flags that vLLM refuses after it has started. */}}
{{- define "vllm-stack.validateArguments" -}}
{{- $w := .w }}{{ $args := $w.body.args }}{{ $engine := $w.engine -}}
{{- range $flag, $known := $engine.choices -}}
{{- if hasKey $args $flag -}}
{{- $value := get $args $flag | toString }}{{ $plugin := get $engine.plugins $flag | default "-" -}}
{{- if not (or (contains (print " " $value " ") $known) (hasKey $args $plugin)) -}}
{{- include "vllm-stack.error" (list $ (print "args." $flag) (printf "%s %s knows no %q; set one of: %s" $engine.image $engine.tag $value (trim $known | replace " " ", "))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (get $args "enable-auto-tool-choice") (not (get $args "tool-call-parser")) -}}
{{- include "vllm-stack.error" (list $ "args.enable-auto-tool-choice" "needs the parser of the model's calls; set tool-call-parser, for example hermes") -}}
{{- end -}}
{{- if and (get $args "enable-log-outputs") (not (get $args "enable-log-requests")) -}}
{{- include "vllm-stack.error" (list $ "args.enable-log-outputs" "needs enable-log-requests; set it to true") -}}
{{- end -}}
{{- if and (get $args "enable-sleep-mode") (not $w.body.accelerator.resource) -}}
{{- include "vllm-stack.error" (list $ "args.enable-sleep-mode" "frees the memory of a GPU, and accelerator.resource asks for none; remove it") -}}
{{- end -}}
{{- $active := get $args "max-num-active-seqs" }}{{ $most := get $args "max-num-seqs" -}}
{{- if and (kindIs "float64" $active) (kindIs "float64" $most) (gt (int $active) (int $most)) -}}
{{- include "vllm-stack.error" (list $ "args.max-num-active-seqs" (printf "%d is above max-num-seqs: %d; set at most that" (int $active) (int $most))) -}}
{{- end -}}
{{- if eq (include "vllm-stack.scalar" (get $args "max-num-queued-reqs")) "0" -}}
{{- include "vllm-stack.error" (list $ "args.max-num-queued-reqs" "counts running requests too, so that 0 refuses all of them; set max-num-seqs and the queue you allow") -}}
{{- end -}}
{{- range $feature, $switch := dict "lora" "enabled" "speculative" "method" "kvOffload" "backend" -}}
{{- if get (get $w.body $feature) $switch -}}
{{- range $key, $option := get $engine.features $feature -}}
{{- range $flag, $_ := $args -}}
{{- if eq (print "--" (regexFind "^[^.]+" $flag)) $option -}}
{{- include "vllm-stack.error" (list $ (print "args." $flag) (printf "is already said by %s; set %s.%s, or remove %s" $feature $feature $key $feature)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-stack.validateLora" -}}
{{- $w := .w }}{{ $lora := $w.body.lora }}{{ $values := .root.Values }}{{ $routing := $values.routing | default dict -}}
{{- if not $lora.enabled -}}
{{- include "vllm-stack.error" (list . "lora.enabled" "is false, so that nothing takes the adapters; set true, or lora: null") -}}
{{- end -}}
{{- range $name, $adapter := $lora.adapters -}}
{{- if not (regexMatch "^(hf://[^/ ]+/[^/ ]+|pvc://[^/ ]+/[^ ]+|/[^ ]+)$" $adapter.uri) -}}
{{- include "vllm-stack.error" (list $ (printf "lora.adapters.%s.uri" $name) (printf "%q is no source of an adapter; set hf://org/name, pvc://claim/path or an absolute path in the image" $adapter.uri)) -}}
{{- end -}}
{{- if has $name $w.servedNames -}}
{{- include "vllm-stack.error" (list $ (print "lora.adapters." $name) "the model itself is served under this name; rename the adapter") -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $lora "maxCpuLoras") (lt (int $lora.maxCpuLoras) (int ($lora.maxLoras | default 1))) -}}
{{- include "vllm-stack.error" (list . "lora.maxCpuLoras" (printf "%d is less than maxLoras: %d, all of which are kept; set at least that" (int $lora.maxCpuLoras) (int ($lora.maxLoras | default 1)))) -}}
{{- end -}}
{{- if $lora.dynamic -}}
{{- if not ($values.networkPolicy).enabled -}}
{{- include "vllm-stack.error" (list . "lora.dynamic" "POST /adapters loads any path for whoever reaches the pod, with any key or none; set networkPolicy.enabled and networkPolicy.from, or list the adapters") -}}
{{- end -}}
{{- $published := or (and (ne ($routing.kind | default "none") "none") $routing.routes) (ne ($w.body.service.type | default "ClusterIP") "ClusterIP") -}}
{{- if and $published (not .root.resolved.secretEnv.VLLM_API_KEY) -}}
{{- include "vllm-stack.error" (list . "lora.dynamic" "the model is published, and /v1/load_lora_adapter with it; set secrets.apiKey, or list the adapters") -}}
{{- end -}}
{{- $servers := get $w.body.args "api-server-count" | default ($w.body.parallelism.data | default 1) -}}
{{- if ne (toString $servers) "1" -}}
{{- include "vllm-stack.error" (list . "lora.dynamic" (printf "vLLM starts %v servers, each of which would know other adapters, and refuses that; set args.api-server-count: 1" $servers)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-stack.validateSpeculative" -}}
{{- $w := .w }}{{ $s := $w.body.speculative }}{{ $methods := $w.engine.speculativeMethods }}{{ $method := $s.method | default "" -}}
{{- $config := $s.config | default dict }}{{ $uses := get $methods $method | default "" -}}
{{- if not $method -}}
{{- include "vllm-stack.error" (list . "speculative.method" (print "is missing, so that nothing uses the rest; set one of: " (keys $methods | sortAlpha | join ", "))) -}}
{{- else if not $uses -}}
{{- $what := ternary "was one of the names of mtp; set mtp" (print "is no method of " $w.engine.image " " $w.engine.tag "; set one of: " (keys $methods | sortAlpha | join ", ")) (hasSuffix "_mtp" $method) -}}
{{- include "vllm-stack.error" (list . "speculative.method" (printf "%q %s" $method $what)) -}}
{{- else if and (eq $uses "model") (not $s.model) -}}
{{- include "vllm-stack.error" (list . "speculative.model" (printf "%s needs a model that drafts; set hf://org/name, pvc://claim/path or a path in the image" $method)) -}}
{{- else if and (eq $uses "none") $s.model -}}
{{- include "vllm-stack.error" (list . "speculative.model" (printf "%s drafts without a model; remove it" $method)) -}}
{{- else if and $s.model (ne $method "custom_class") (not (regexMatch "^(hf://[^/ ]+/[^/ ]+|pvc://[^/ ]+/[^ ]+|/[^ ]+)$" $s.model)) -}}
{{- include "vllm-stack.error" (list . "speculative.model" (printf "%q is no source of a model; set hf://org/name, pvc://claim/path or a path in the image" $s.model)) -}}
{{- end -}}
{{- $unknown := not (or (hasKey $s "numTokens") (eq $method "suffix")) -}}
{{- if and $uses $unknown (or (not $s.model) (has $method (list "draft_model" "eagle" "eagle3" "custom_class"))) -}}
{{- include "vllm-stack.error" (list . "speculative.numTokens" (printf "%s does not say how long a draft is; set it, for example 3" $method)) -}}
{{- end -}}
{{- range $key, $better := dict "method" "speculative.method" "model" "speculative.model" "num_speculative_tokens" "speculative.numTokens" "tensor_parallel_size" "draft_tensor_parallel_size beside it" -}}
{{- if hasKey $config $key }}{{ include "vllm-stack.error" (list $ (print "speculative.config." $key) (print "is not set here; set " $better)) }}{{ end -}}
{{- end -}}
{{- with get $config "draft_tensor_parallel_size" -}}
{{- $tensor := int ($w.body.parallelism.tensor | default 1) -}}
{{- if not (has (int .) (list 1 $tensor)) -}}
{{- include "vllm-stack.error" (list $ "speculative.config.draft_tensor_parallel_size" (printf "%d is neither 1 nor parallelism.tensor: %d; set one of them" (int .) $tensor)) -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $config "prompt_lookup_min") (hasKey $config "prompt_lookup_max") (gt (int $config.prompt_lookup_min) (int $config.prompt_lookup_max)) -}}
{{- include "vllm-stack.error" (list . "speculative.config.prompt_lookup_min" (printf "%d is above prompt_lookup_max: %d; set at most that" (int $config.prompt_lookup_min) (int $config.prompt_lookup_max))) -}}
{{- end -}}
{{- end -}}

{{- define "vllm-stack.validateKvOffload" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $offload := $body.kvOffload }}{{ $backend := $offload.backend | default "" -}}
{{- $unused := dict "" (list "sizeGiB" "server") "native" (list "server") "lmcache" (list "sizeGiB") -}}
{{- range $key := get $unused $backend -}}
{{- if get $offload $key -}}
{{- include "vllm-stack.error" (list $ (print "kvOffload." $key) (ternary "nothing offloads, backend is empty; set backend: native or lmcache" (printf "backend %s does not use it; remove it" $backend) (eq $backend ""))) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $backend "lmcache") (not $offload.server) -}}
{{- include "vllm-stack.error" (list . "kvOffload.server" "backend lmcache keeps the cache in a server of its own; set its host:port, or localhost:5555 and the server in extraContainers") -}}
{{- end -}}
{{- if eq $backend "native" -}}
{{- if not $offload.sizeGiB -}}
{{- include "vllm-stack.error" (list . "kvOffload.sizeGiB" "backend native needs the size of its buffer; set the GiB that the node can spare") -}}
{{- else if not $body.accelerator.resource -}}
{{- include "vllm-stack.error" (list . "kvOffload.backend" "native moves KV cache out of a GPU, and accelerator.resource asks for none; set backend: \"\"") -}}
{{- else -}}
{{- $buffer := mulf 1024 (float64 $offload.sizeGiB) (int ($body.parallelism.data | default 1)) -}}
{{- range $part := list "requests" "limits" -}}
{{- $memory := (get $body.resources $part | default dict).memory -}}
{{- if and $memory (ge $buffer (include "vllm-stack.mebibytes" $memory | float64)) -}}
{{- include "vllm-stack.error" (list $ (printf "resources.%s.memory" $part) (printf "%s does not hold the buffer of kvOffload, %v GiB, which is taken at the start; raise it, or lower kvOffload.sizeGiB" (include "vllm-stack.scalar" $memory) (divf $buffer 1024.0))) -}}
{{- end -}}
{{- end -}}
{{- $shm := $body.sharedMemory.size -}}
{{- if and $shm $w.offloadMebibytes (lt (include "vllm-stack.mebibytes" $shm | float64) (float64 $w.offloadMebibytes)) -}}
{{- include "vllm-stack.error" (list . "sharedMemory.size" (printf "%s does not hold the buffer of kvOffload, %d MiB; set null to derive it" (include "vllm-stack.scalar" $shm) $w.offloadMebibytes)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
