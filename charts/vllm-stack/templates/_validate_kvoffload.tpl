{{/* {root, w}: the rules of KV offload (vllm/config/vllm.py), see _validate.tpl */}}
{{- define "vllm-stack.validateKvOffload" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $offload := $body.kvOffload }}{{ $backend := $offload.backend | default "" -}}
{{- $unused := dict "" (list "sizeGiB" "server") "native" (list "server") "lmcache" (list "sizeGiB") -}}
{{- range $key := get $unused $backend -}}
{{- if get $offload $key -}}
{{- template "vllm-stack.error" (list $ (print "kvOffload." $key) (ternary "nothing offloads, backend is empty; set backend: native or lmcache" (printf "backend %s does not use it; remove it" $backend) (eq $backend ""))) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $backend "lmcache") (not $offload.server) -}}
{{- template "vllm-stack.error" (list . "kvOffload.server" "backend lmcache keeps the cache in a server of its own; set its host:port, or localhost:5555 and the server in extraContainers") -}}
{{- end -}}
{{- $connectors := 0 }}{{ range $w.args }}{{ if hasPrefix $w.engine.features.kvOffload.server . }}{{ $connectors = add1 $connectors }}{{ end }}{{ end -}}
{{- if gt (int $connectors) (ternary 1 0 (eq $backend "lmcache")) -}}
{{- template "vllm-stack.error" (list . "kvOffload.backend" (printf "%s says how KV cache is moved already, and the engine has one way; remove it, or set backend: \"\"" $w.engine.features.kvOffload.server)) -}}
{{- end -}}
{{- if eq $backend "native" -}}
{{- if not $offload.sizeGiB -}}
{{- template "vllm-stack.error" (list . "kvOffload.sizeGiB" "backend native needs the size of its buffer; set the GiB that the node can spare") -}}
{{- else if not $body.accelerator.resource -}}
{{- template "vllm-stack.error" (list . "kvOffload.backend" "native moves KV cache out of a GPU, and accelerator.resource asks for none; set backend: \"\"") -}}
{{- else -}}
{{- $buffer := mulf 1024 (float64 $offload.sizeGiB) (max 1 (div (int ($body.parallelism.data | default 1)) (int $w.nodes))) -}}
{{- range $part := list "requests" "limits" -}}
{{- $memory := (get $body.resources $part | default dict).memory -}}
{{- if and $memory (ge $buffer (include "vllm-stack.mebibytes" $memory | float64)) -}}
{{- template "vllm-stack.error" (list $ (printf "resources.%s.memory" $part) (printf "%s does not hold the buffer of kvOffload, %v GiB, which is taken at the start; raise it, or lower kvOffload.sizeGiB" (include "vllm-stack.scalar" $memory) (divf $buffer 1024.0))) -}}
{{- end -}}
{{- end -}}
{{- $shm := $body.sharedMemory.size -}}
{{- if and (hasKey $body.sharedMemory "size") $w.offloadMebibytes (lt (include "vllm-stack.mebibytes" $shm | float64) (float64 $w.offloadMebibytes)) -}}
{{- template "vllm-stack.error" (list . "sharedMemory.size" (printf "%s does not hold the buffer of kvOffload, %d MiB; set null to derive it" (include "vllm-stack.scalar" $shm) $w.offloadMebibytes)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
