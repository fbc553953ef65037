{{/*
A shape is a workload without what is its own: its names, its source and the names served. The models of a large release
have few shapes, so that what follows from a shape is derived, judged and rendered once, not for every model.
*/}}

{{/* {root, id, base, over} -> .resolved.shapes[id], of the body base < over */}}
{{- define "vllm-stack.shape" -}}
{{- $r := .root.resolved }}{{ $body := omit .base "variants" -}}
{{- template "vllm-stack.overlay" (dict "body" $body "over" (omit .over "variants")) -}}
{{- if $r.nulls }}{{ template "vllm-stack.prune" $body }}{{ template "vllm-stack.complete" $body }}{{ end -}}
{{- $_ := set $r.shapes .id (dict "merged" $body "body" $body "enabled" (ne (toString $body.enabled) "false") "problems" list) -}}
{{- end -}}

{{/* {root, w} of a shape -> adds what follows from its body: engine, image, GPUs, shared memory, times, arguments. */}}
{{- define "vllm-stack.deriveShape" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $r := .root.resolved -}}
{{- $engineName := $body.engine | default "vllm" -}}
{{- if not (hasKey $r.engines $engineName) -}}
{{- $engine := .root.Files.Get (print "files/engines/" $engineName ".yaml") | fromYaml -}}
{{- range $kind, $names := $engine.flags }}{{ $_ := set $engine.flags $kind (print " " (trim $names) " ") }}{{ end -}}
{{- range $flag, $names := $engine.choices }}{{ $_ := set $engine.choices $flag (print " " (trim $names) " ") }}{{ end -}}
{{- $_ := set $engine "servicePorts" (omit ($engine.ports | default dict) "metrics") -}}
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
{{- $_ := set $w "kindChosen" (or (gt $nodes 1) (eq $body.cache.type "perReplica") (ne ($body.workload | default "auto") "auto")) -}}
{{- template "vllm-stack.deriveMemory" . -}}

{{- $_ := set $w "replicas" (int (ternary $body.replicas 1 (hasKey $body "replicas"))) }}{{ $_ := set $w "leastReplicas" $w.replicas -}}
{{- $grace := add $engine.exitSeconds (int $body.shutdown.preStopSeconds) (int $body.shutdown.drainSeconds) -}}
{{- with $body.scheduling.spot }}{{ with .noticeSeconds }}{{ $grace = int . }}{{ end }}{{ end -}}
{{- $_ := set $w "graceSeconds" $grace -}}
{{- $budget := int $body.startup.budgetSeconds -}}
{{- $_ := set $w "budgetSeconds" $budget -}}
{{- $_ := set $w "progressSeconds" (ternary (add $budget $grace (int $body.rollout.minReadySeconds)) 0 (gt $budget 0)) -}}
{{- if ne ($body.autoscaling.mode | default "none") "none" }}{{ template "vllm-stack.deriveScaling" . }}{{ end -}}
{{/* How long a rollout may take: each wave of pods stops, then starts. */}}
{{- $wave := 1 }}{{ range pick $body.rollout "maxSurge" "maxUnavailable" }}{{ if not (kindIs "string" .) }}{{ $wave = max $wave . }}{{ end }}{{ end -}}
{{- $waves := div (add $w.replicas $wave -1) $wave | max 1 -}}
{{- $_ := set $w "rolloutSeconds" (mul $waves (add (ternary $budget 900 (gt $budget 0)) $grace)) }}{{ $_ := set $w "waitSeconds" 0 -}}
{{- $_ := set $r "timeoutSeconds" (max ($r.timeoutSeconds | default 0) $w.rolloutSeconds) -}}

{{- $_ := set $w "claim" (ternary ($body.cache.claimName | default "") "" (has $body.cache.type (list "claim" "existingClaim"))) -}}
{{- $template := $body.chatTemplate | default "" }}{{ $files := dict -}}
{{- if and $template (or (contains "\n" $template) (not (hasPrefix "/" $template))) -}}
{{- $_ := set $files "chat-template.jinja" $template }}{{ $template = "/etc/vllm-stack/chat-template.jinja" -}}
{{- end -}}
{{- $_ := set $w "chatTemplatePath" $template -}}
{{- $_ := set $w "config" $files -}}
{{- range $part := list "volumes" "mounts" "containers" "initContainers" "featureArgs" "ownArgs" }}{{ $_ := set $w $part list }}{{ end -}}
{{- $_ := set $w "role" ($body.role | default "server") -}}
{{- $_ := set $w "port" $engine.port }}{{ $_ := set $w "portName" "http" -}}
{{- $_ := set $w "annotations" (include "vllm-stack.annotations" (list .root $body.workloadAnnotations)) -}}
{{- $_ := set $w "modelService" (dict "port" (int ($body.service.port | default 8000)) "type" ($body.service.type | default "ClusterIP")
      "annotations" (include "vllm-stack.annotations" (list .root $body.service.annotations))) -}}
{{- $_ := set $w "balancing" ($p.balancing | default "internal") -}}
{{- if or (gt $nodes 1) (ne $w.role "server") }}{{ template "vllm-stack.deriveGroup" . }}{{ end -}}
{{- $featured := or $body.lora.enabled $body.lora.adapters $body.lora.dynamic $body.warmup.prompts $body.tls.existingSecret -}}
{{- range list $body.speculative $body.kvOffload }}{{ range $key, $value := . }}{{ $featured = or $featured $value }}{{ end }}{{ end -}}
{{- $_ := set $w "featured" $featured -}}
{{- $logging := $body.logging -}}
{{- $_ := set $w "observed" (or $body.tracing.enabled $logging.level $logging.quietPaths (ne ($logging.format | default "text") "text")) -}}
{{- $_ := set $w "extended" (or $body.extraVolumes $body.extraVolumeMounts $body.extraContainers $body.initContainers $body.podSpec) -}}
{{/* The pods of a group fill their nodes and want to be close. */}}
{{- $spread := dict "hostname" (list "kubernetes.io/hostname") "zone" (list "topology.kubernetes.io/zone" "kubernetes.io/hostname") -}}
{{- $_ := set $w "spread" (ternary list (get $spread ($body.scheduling.spread | default "none") | default list) (gt $nodes 1)) -}}
{{- $particular := or $w.kindChosen $featured $w.observed $w.extended $engine.repository $engine.nameIsPath $body.workloadLabels $body.podLabels $body.scheduling.exclusiveTopology -}}
{{- $_ := set $w "particular" (or $particular (ne $w.role "server") (ne $w.balancing "internal")) -}}
{{- template "vllm-stack.shapeArgs" . -}}
{{- template "vllm-stack.validateEngine" . -}}
{{- template "vllm-stack.validateShape" . -}}
{{- template "vllm-stack.validateFeatures" . -}}
{{- $_ := set $w "advice" (include "vllm-stack.shapeAdvice" . | splitList "\n" | compact) -}}

{{/* Filled when they are needed: the environment by what a source adds to it, and the texts of _pod_texts.tpl. */}}
{{- $_ := set $w "envs" dict }}{{ $_ := set $w "texts" dict -}}
{{- end -}}
