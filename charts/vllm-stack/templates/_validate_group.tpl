{{/* The rules of kinds of workload and of groups over nodes, see _validate.tpl. */}}

{{/* {root, w} */}}
{{- define "vllm-stack.validateKind" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $rollout := $body.rollout -}}
{{- if and (ne $w.kind "LeaderWorkerSet") (gt $w.nodes 1) -}}
{{- template "vllm-stack.error" (list . "workload" (printf "%d nodes need a LeaderWorkerSet; set leaderworkerset or auto" $w.nodes)) -}}
{{- else if and (eq $w.kind "LeaderWorkerSet") (eq $w.nodes 1) -}}
{{- template "vllm-stack.error" (list . "workload" "a LeaderWorkerSet spreads a replica over nodes, and parallelism.nodes is 1; set auto, or more nodes") -}}
{{- end -}}
{{- if and (eq $body.cache.type "perReplica") (eq $w.kind "Deployment") -}}
{{- template "vllm-stack.error" (list . "cache.type" "the pods of a Deployment cannot have claims of their own; set workload: statefulset, or auto") -}}
{{- end -}}
{{- if and $body.scheduling.exclusiveTopology (ne $w.kind "LeaderWorkerSet") -}}
{{- template "vllm-stack.error" (list . "scheduling.exclusiveTopology" "only groups of pods can have a domain for themselves; remove it, or set parallelism.nodes") -}}
{{- end -}}
{{- if and (eq $w.kind "StatefulSet") (not (has (toString $rollout.maxSurge) (list "0" "0%" "<nil>"))) -}}
{{- template "vllm-stack.error" (list . "rollout.maxSurge" "a StatefulSet adds no pod in a rollout; set 0") -}}
{{- end -}}
{{- if and (eq $w.kind "StatefulSet") (hasKey $rollout "maxUnavailable") (ne (toString $rollout.maxUnavailable) "1") (semverCompare "<1.35.0-0" .root.Capabilities.KubeVersion.Version) -}}
{{- template "vllm-stack.error" (list . "rollout.maxUnavailable" "a StatefulSet replaces one pod at a time before Kubernetes 1.35; set 1") -}}
{{- end -}}
{{- if and (eq $w.kind "LeaderWorkerSet") (gt (int $rollout.minReadySeconds) 0) -}}
{{- template "vllm-stack.error" (list . "rollout.minReadySeconds" "a LeaderWorkerSet knows no such time; set 0") -}}
{{- end -}}
{{- end -}}

{{/* {root, w}: how ranks are laid out over nodes, as vLLM's arg_utils.py and config/parallel.py accept it */}}
{{- define "vllm-stack.validateGroup" -}}
{{- $w := .w }}{{ $p := $w.body.parallelism }}{{ $nodes := $w.nodes }}{{ $data := int ($p.data | default 1) }}{{ $all := mul $w.ranks $data -}}
{{- if and (gt $nodes 1) (not $w.engine.groups) -}}
{{- template "vllm-stack.error" (list . "parallelism.nodes" (printf "%s runs on one node here; set 1, or engine: vllm" ($w.body.engine | default "vllm"))) -}}
{{- end -}}
{{- if mod $all $nodes -}}
{{- template "vllm-stack.error" (list . "parallelism.nodes" (printf "%d nodes cannot share tensor × pipeline × data = %d GPUs equally; set a divisor of it" $nodes $all)) -}}
{{- else if and (mod $data $nodes) (mod $nodes $data) -}}
{{- template "vllm-stack.error" (list . "parallelism.data" (printf "%d copies on %d nodes would share a node without filling it; set a multiple or a divisor of nodes" $data $nodes)) -}}
{{- end -}}
{{- if and (ne $w.balancing "internal") (or (eq $nodes 1) (eq $data 1)) -}}
{{- template "vllm-stack.error" (list . "parallelism.balancing" (printf "%s is a choice among copies on several nodes, and %s is 1; set internal" $w.balancing (ternary "nodes" "data" (eq $nodes 1)))) -}}
{{- else if and (eq $w.balancing "hybrid") (or (mod $data $nodes) (eq $data $nodes)) -}}
{{- template "vllm-stack.error" (list . "parallelism.balancing" (printf "hybrid needs two or more whole copies on every node, and %d copies are on %d; set data to a multiple of nodes, or external with one copy on each" $data $nodes)) -}}
{{- else if and (eq $w.balancing "external") (ne $data $nodes) -}}
{{- template "vllm-stack.error" (list . "parallelism.balancing" (printf "external needs one copy on every node, and %d copies are on %d; set data and nodes to the same number, or hybrid" $data $nodes)) -}}
{{- end -}}
{{- if gt $nodes 1 -}}
{{- range $flag := list "distributed-executor-backend" "data-parallel-backend" -}}
{{- if not (has (get $w.body.args $flag | default "mp") (list "mp")) -}}
{{- template "vllm-stack.error" (list $ (print "args." $flag) (printf "groups run by vLLM's own multiprocessing, the chart starts no %s; remove it" (get $w.body.args $flag))) -}}
{{- end -}}
{{- end -}}
{{- range $w.body.extraArgs -}}
{{- if regexMatch "^--api[-_]server[-_]count(=|$)" . -}}
{{- template "vllm-stack.error" (list $ "extraArgs" "--api-server-count would reach the workers, which have no API server; set args.api-server-count") -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $w.body.env "VLLM_HOST_IP") (kindIs "invalid" $w.body.env.VLLM_HOST_IP) -}}
{{- template "vllm-stack.error" (list . "env.VLLM_HOST_IP" "the pods of a group find the leader by it; remove the null") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* {root, w}: engine flags that depend on how the model is split */}}
{{- define "vllm-stack.validateParallelArgs" -}}
{{- $w := .w }}{{ $args := $w.body.args -}}
{{- if and (eq (toString (get $args "enable-fault-tolerance")) "true") (ne $w.balancing "external") -}}
{{- template "vllm-stack.error" (list . "args.enable-fault-tolerance" "vLLM has it with external balancing only; set parallelism.balancing: external, or remove it") -}}
{{- end -}}
{{- if and (eq (toString (get $args "enable-elastic-ep")) "true") (eq $w.balancing "hybrid") -}}
{{- template "vllm-stack.error" (list . "args.enable-elastic-ep" "vLLM has it with internal and external balancing only; set parallelism.balancing, or remove it") -}}
{{- end -}}
{{- $p := $w.body.parallelism -}}
{{- if and (eq (toString (get $args "enable-eplb")) "true") (or (not $p.expert) (eq (mul ($p.tensor | default 1) ($p.data | default 1)) 1)) -}}
{{- template "vllm-stack.error" (list . "args.enable-eplb" "there are no spread experts to balance; set parallelism.expert: true with tensor or data above 1, or remove it") -}}
{{- end -}}
{{- end -}}
