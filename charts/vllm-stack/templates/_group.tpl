{{/* Replicas that are groups of pods, one per node, and pods that prefill or decode for each other. */}}

{{/* {root, w} of a shape -> adds podEnv and ownArgs: what the pods need to find each other. */}}
{{- define "vllm-stack.deriveGroup" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $args := list -}}
{{- $env := dict "VLLM_HOST_IP" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIP"))) -}}
{{- if gt $w.nodes 1 }}{{ $args = include "vllm-stack.groupArgs" . | fromJsonArray }}{{ end -}}
{{- if ne $w.role "server" -}}
{{- $d := $body.disaggregation -}}
{{- $_ := set $env "VLLM_NIXL_SIDE_CHANNEL_HOST" $env.VLLM_HOST_IP -}}
{{- with $d.sideChannelPort }}{{ $_ := set $env "VLLM_NIXL_SIDE_CHANNEL_PORT" . }}{{ end -}}
{{- $transfer := dict "kv_connector" ($d.connector | default "NixlConnector") "kv_role" (ternary "kv_producer" "kv_consumer" (eq $w.role "prefill")) -}}
{{- with $d.loadFailurePolicy }}{{ $_ := set $transfer "kv_load_failure_policy" . }}{{ end -}}
{{- with $d.extraConfig }}{{ $_ := set $transfer "kv_connector_extra_config" . }}{{ end -}}
{{- $args = append $args (print "--kv-transfer-config=" (toRawJson $transfer)) -}}
{{- if and (eq $w.role "decode") ($d.sidecar | default dict).image -}}
{{- $_ := set $w "sidecar" $d.sidecar }}{{ $_ := set $w "port" 8200 }}{{ $_ := set $w "portName" "engine" -}}
{{- template "vllm-stack.routingSidecar" . -}}
{{- end -}}
{{- end -}}
{{- $_ := set $w "podEnv" $env -}}
{{- $_ := set $w "ownArgs" $args -}}
{{- end -}}

{{/*
{w} -> JSON list: how one pod of a group is started. vLLM (arg_utils.py) takes from --nnodes and --node-rank which
copies of the engine a pod has. Ranks meet as soon as all pods run, so they wait as long as the slowest may load. The
leader names itself by its address: its name may not be known yet.
*/}}
{{- define "vllm-stack.groupArgs" -}}
{{- $w := .w }}{{ $p := $w.body.parallelism -}}
{{- $args := list (print "--nnodes=" $w.nodes) "--node-rank=$(LWS_WORKER_INDEX)" "--master-addr=$(VLLM_HOST_IP)" -}}
{{- if eq $w.balancing "hybrid" }}{{ $args = append $args "--data-parallel-hybrid-lb" -}}
{{- $args = append $args (print "--data-parallel-size-local=" (div $p.data $w.nodes)) }}{{ end -}}
{{- if eq $w.balancing "external" }}{{ $args = append $args "--data-parallel-external-lb" }}{{ end -}}
{{- if and (gt $w.budgetSeconds 600) (not (hasKey $w.body.args "distributed-timeout-seconds")) -}}
{{- $args = append $args (print "--distributed-timeout-seconds=" $w.budgetSeconds) -}}
{{- end -}}
{{- toRawJson $args -}}
{{- end -}}

{{/* {root, w} -> sets w.worker: the workload as the pods beside the leader see it. With internal balancing they
serve nobody: no API server, no probes, a role that no Service selects. */}}
{{- define "vllm-stack.deriveWorker" -}}
{{- $w := .w }}{{ $worker := omit $w "worker" }}{{ $serves := ne $w.balancing "internal" }}{{ $args := list -}}
{{- range $w.args -}}
{{- if hasPrefix "--master-addr=" . }}{{ $args = append $args "--master-addr=$(LWS_LEADER_ADDRESS)" -}}
{{- else if or $serves (not (hasPrefix "--api-server-count=" .)) }}{{ $args = append $args . }}{{ end -}}
{{- end -}}
{{- if not $serves -}}
{{- $args = append $args "--headless" -}}
{{- $_ := set $worker "headless" true -}}
{{- $containers := list }}{{ range $w.initContainers }}{{ if ne .name "routing" }}{{ $containers = append $containers . }}{{ end }}{{ end -}}
{{- $_ := set $worker "initContainers" $containers -}}
{{- $_ := set $worker "texts" dict -}}
{{- $_ := set $worker "selector" (replace "vllm-stack.io/role: server" "vllm-stack.io/role: worker" $w.selector) -}}
{{- end -}}
{{- $_ := set $worker "args" $args -}}
{{- $_ := set $w "worker" $worker -}}
{{- end -}}

{{/* {root, w} -> puts the proxy in front of a decode engine: a native sidecar, it ends after the engine has drained. */}}
{{- define "vllm-stack.routingSidecar" -}}
{{- $w := .w }}{{ $address := dict "name" "POD_IP" "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIP")) -}}
{{- $container := dict "name" "routing" "image" $w.sidecar.image "restartPolicy" "Always" "args" ($w.sidecar.args | default list)
      "env" (list $address) "ports" (list (dict "name" "http" "containerPort" $w.engine.port))
      "securityContext" (include "vllm-stack.restricted" . | fromYaml) -}}
{{- $_ := set $w "initContainers" (append $w.initContainers $container) -}}
{{- end -}}

{{/* {w} -> the selector of all pods of a workload, workers included */}}
{{- define "vllm-stack.allPods" -}}
{{- ternary (replace "\nvllm-stack.io/role: server" "" .w.selector) .w.selector (gt .w.nodes 1) -}}
{{- end -}}

{{/* [field, value, nodes] -> a number of a PodDisruptionBudget in pods: a group serves with all of its pods, and is
gone with the first. A percentage means the same of pods as of groups. */}}
{{- define "vllm-stack.podsOfGroups" -}}
{{- $field := index . 0 }}{{ $value := index . 1 }}{{ $nodes := index . 2 -}}
{{- if or (kindIs "string" $value) (eq (int $value) 0) }}{{ toJson $value -}}
{{- else if eq $field "minAvailable" }}{{ mul $value $nodes }}{{ else }}{{ add 1 (mul (sub $value 1) $nodes) }}{{ end -}}
{{- end -}}
