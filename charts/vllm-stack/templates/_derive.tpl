{{/* {root, w} -> adds to a workload what follows from its body: engine, image, GPUs, shared memory, times, arguments. */}}
{{- define "vllm-stack.derive" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $r := .root.resolved -}}
{{- $engineName := $body.engine | default "vllm" -}}
{{- if not (hasKey $r.engines $engineName) -}}
{{- $engine := .root.Files.Get (print "files/engines/" $engineName ".yaml") | fromYaml -}}
{{- range $kind, $names := $engine.flags }}{{ $_ := set $engine.flags $kind (print " " (trim $names) " ") }}{{ end -}}
{{- range $flag, $names := $engine.choices }}{{ $_ := set $engine.choices $flag (print " " (trim $names) " ") }}{{ end -}}
{{- $_ := set $r.engines $engineName $engine -}}
{{- end -}}
{{- $engine := get $r.engines $engineName -}}
{{- if eq $engineName "custom" }}{{ $engine = mergeOverwrite (deepCopy $engine) $body.custom }}{{ end -}}
{{- $_ := set $w "engine" $engine -}}

{{- $image := $body.image.repository | default $engine.image -}}
{{- if $body.image.digest }}{{ $image = print $image "@" $body.image.digest -}}
{{- else }}{{ $image = print $image ":" ($body.image.tag | default $engine.tag) }}{{ end -}}
{{- $_ := set $w "image" $image -}}

{{- $p := $body.parallelism -}}
{{- $ranks := mul ($p.tensor | default 1) ($p.pipeline | default 1) -}}
{{- $engines := int ($p.data | default 1) -}}
{{- $nodes := int ($p.nodes | default 1) -}}
{{- $_ := set $w "ranks" $ranks -}}
{{- $_ := set $w "nodes" $nodes -}}
{{- $_ := set $w "gpus" (div (add (mul $ranks $engines) $nodes -1) $nodes) -}}
{{- $_ := set $w "kind" "Deployment" -}}
{{- if or (gt $nodes 1) (eq $body.cache.type "perReplica") (ne ($body.workload | default "auto") "auto") }}{{ include "vllm-stack.deriveKind" . }}{{ end -}}

{{/*
Message rings of the pod's workers: 160 MiB per engine, 240 MiB per rank, 24 MiB for the group (vllm
shm_broadcast.py, multiproc_executor.py), and 1 GiB for NCCL. One GPU runs without workers; a CPU never does.
A buffer for KV cache lies beside them, or beside the 64 MiB that a pod without this volume has.
*/}}
{{- $buffer := 0 }}{{ if $body.kvOffload.backend }}{{ $buffer = include "vllm-stack.offloadMebibytes" . | int }}{{ end -}}
{{- $_ := set $w "offloadMebibytes" $buffer -}}
{{- $cpu := not (or $body.accelerator.resource $body.accelerator.claims) -}}
{{- $shm := $body.sharedMemory.size -}}
{{- if kindIs "invalid" $shm -}}
{{- $rings := 0 -}}
{{- $here := max 1 (div $engines $nodes) -}}
{{- if or (gt $ranks 1) $cpu }}{{ $rings = mul $here (add 184 (mul 240 (div $w.gpus $here))) }}{{ end -}}
{{- if or $rings (gt $engines 1) }}{{ $shm = print (div (add 2047 $rings $buffer) 1024) "Gi" -}}
{{- else if $buffer }}{{ $shm = print (div (add 1087 $buffer) 1024) "Gi" }}{{ end -}}
{{- end -}}
{{- if $shm }}{{ $shm = include "vllm-stack.scalar" $shm }}{{ end -}}
{{- $_ := set $w "shm" (ternary $shm "" (and (not (not $shm)) (ne $shm "0"))) -}}

{{- $_ := set $w "replicas" (int (ternary $body.replicas 1 (hasKey $body "replicas"))) -}}
{{- $grace := add $engine.exitSeconds (int $body.shutdown.preStopSeconds) (int $body.shutdown.drainSeconds) -}}
{{- with $body.scheduling.spot }}{{ with .noticeSeconds }}{{ $grace = int . }}{{ end }}{{ end -}}
{{- $_ := set $w "graceSeconds" $grace -}}
{{- $budget := int $body.startup.budgetSeconds -}}
{{- $_ := set $w "budgetSeconds" $budget -}}
{{/* What pods wait for a download beside them, which has the same budget. */}}
{{- $beside := and (eq ($body.source.download | default "") "job") (eq (toString ($body.source.job).hook) "false") -}}
{{- $_ := set $w "waitSeconds" (ternary $budget 0 $beside) -}}
{{- if ne ($body.autoscaling.mode | default "none") "none" }}{{ include "vllm-stack.scaling" . }}{{ end -}}
{{/* How long a rollout may take: each wave of pods stops, then starts. */}}
{{- $wave := 1 }}{{ range pick $body.rollout "maxSurge" "maxUnavailable" }}{{ if not (kindIs "string" .) }}{{ $wave = max $wave . }}{{ end }}{{ end -}}
{{- $waves := div (add $w.replicas $wave -1) $wave | max 1 -}}
{{- $_ := set $r "timeoutSeconds" (max ($r.timeoutSeconds | default 0) (add $w.waitSeconds (mul $waves (add (ternary $budget 900 (gt $budget 0)) $grace)))) -}}

{{- $claim := "" -}}
{{- if eq $body.cache.type "claim" -}}
{{- $claim = $body.cache.claimName | default (include "vllm-stack.name" (dict "full" (print $w.name "-cache") "limit" 63)) -}}
{{- else if eq $body.cache.type "existingClaim" }}{{ $claim = $body.cache.claimName }}{{ end -}}
{{- $_ := set $w "claim" $claim -}}

{{- include "vllm-stack.source" . -}}
{{- $template := $body.chatTemplate | default "" -}}
{{- $inline := and $template (or (contains "\n" $template) (not (hasPrefix "/" $template))) -}}
{{- $files := dict -}}
{{- if $inline }}{{ $_ := set $files "chat-template.jinja" $template }}{{ $template = "/etc/vllm-stack/chat-template.jinja" }}{{ end -}}
{{- $_ := set $w "chatTemplatePath" $template -}}
{{- $_ := set $w "config" $files -}}
{{- range $part := list "volumes" "mounts" "containers" "initContainers" "featureArgs" "ownArgs" }}{{ $_ := set $w $part list }}{{ end -}}
{{- if and $w.download (not $w.download.hook) }}{{ $_ := set $w "initContainers" (list (include "vllm-stack.waitForModel" . | fromYaml)) }}{{ end -}}
{{- $_ := set $w "role" ($body.role | default "server") -}}
{{- $_ := set $w "port" $engine.port }}{{ $_ := set $w "portName" "http" -}}
{{- $_ := set $w "balancing" ($p.balancing | default "internal") -}}
{{- if or (gt $nodes 1) (ne $w.role "server") }}{{ include "vllm-stack.deriveGroup" . }}{{ end -}}
{{- if $engine.nameIsPath }}{{ $_ := set $w "servedNames" (list $w.modelPath) }}{{ end -}}
{{- if $engine.repository }}{{ include "vllm-stack.repositoryFolder" . }}{{ end -}}
{{- if or $body.lora.enabled $body.speculative.method $body.kvOffload.backend $body.warmup.prompts $body.tls.existingSecret }}{{ include "vllm-stack.features" . }}{{ end -}}
{{- if or $body.tracing.enabled $body.logging.level $body.logging.quietPaths (ne ($body.logging.format | default "text") "text") }}{{ include "vllm-stack.observe" . }}{{ end -}}
{{- if or $body.extraVolumes $body.extraVolumeMounts $body.extraContainers $body.initContainers $body.podSpec }}{{ include "vllm-stack.extension" . }}{{ end -}}
{{- $own := "" }}{{ range list $body.env $w.sourceEnv $w.podEnv $w.traceEnv }}{{ if . }}{{ $own = print $own (toJson .) }}{{ end }}{{ end -}}
{{- $envKey := print $engineName $body.lora.dynamic (not $body.tls.existingSecret) $w.budgetSeconds $body.cache.mountPath $own -}}
{{- if not (hasKey $r.envs $envKey) }}{{ $_ := set $r.envs $envKey (include "vllm-stack.env" .) }}{{ end -}}
{{- $_ := set $w "env" (get $r.envs $envKey) -}}
{{- include "vllm-stack.args" . -}}
{{- if $engine.repository }}{{ $_ := set $files "model.yaml" (toYaml $w.engineFile) }}{{ end -}}
{{- include "vllm-stack.validateEngine" . -}}
{{- include "vllm-stack.validateWorkload" . -}}
{{- include "vllm-stack.validateFeatures" . -}}
{{- end -}}
