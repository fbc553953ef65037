{{/* /dev/shm, and what lies in it. */}}

{{/*
{root, w} of a shape -> adds shm. Message rings of the pod's workers: 160 MiB per engine, 240 MiB per rank, 24 MiB for
the group (vllm shm_broadcast.py, multiproc_executor.py), and 1 GiB for NCCL. One GPU runs without workers; a CPU never
does. A buffer for KV cache lies beside them, or beside the 64 MiB that a pod without this volume has.
*/}}
{{- define "vllm-stack.deriveMemory" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $engines := int ($body.parallelism.data | default 1) -}}
{{- $buffer := 0 }}{{ if $body.kvOffload.backend }}{{ $buffer = include "vllm-stack.offloadMebibytes" . | int }}{{ end -}}
{{- $_ := set $w "offloadMebibytes" $buffer -}}
{{- $cpu := not (or $body.accelerator.resource $body.accelerator.claims) -}}
{{- $shm := $body.sharedMemory.size -}}
{{- if kindIs "invalid" $shm -}}
{{- $rings := 0 -}}
{{- $here := max 1 (div $engines $w.nodes) -}}
{{- if or (gt $w.ranks 1) $cpu }}{{ $rings = mul $here (add 184 (mul 240 (div $w.gpus $here))) }}{{ end -}}
{{- if or $rings (gt $engines 1) }}{{ $shm = print (div (add 2047 $rings $buffer) 1024) "Gi" -}}
{{- else if $buffer }}{{ $shm = print (div (add 1087 $buffer) 1024) "Gi" }}{{ end -}}
{{- end -}}
{{- if $shm }}{{ $shm = include "vllm-stack.scalar" $shm }}{{ end -}}
{{- $_ := set $w "shm" (ternary $shm "" (and (not (not $shm)) (ne $shm "0"))) -}}
{{- end -}}

{{/*
MiB that the engines of a pod share as buffer for KV cache: all of it lies in /dev/shm (vllm
shared_offload_region.py), on AMD's GPUs in each process.
*/}}
{{- define "vllm-stack.offloadMebibytes" -}}
{{- $body := .w.body -}}
{{- if ne $body.kvOffload.backend "native" }}0
{{- else if hasPrefix "amd.com/" ($body.accelerator.resource | default "") }}0
{{- else }}{{ mulf 1024 ($body.kvOffload.sizeGiB | default 0 | float64) (max 1 (div (int ($body.parallelism.data | default 1)) (int ($body.parallelism.nodes | default 1)))) | ceil | int }}{{ end -}}
{{- end -}}
