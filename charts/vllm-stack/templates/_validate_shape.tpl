{{/* {root, w} of a shape: the rules that concern neither names nor the source, see _validate.tpl. */}}
{{- define "vllm-stack.validateShape" -}}
{{- $w := .w }}{{ $body := $w.body -}}
{{- if $body.args }}{{ template "vllm-stack.validateParallelArgs" . }}{{ end -}}
{{- template "vllm-stack.validateLabels" . -}}
{{- if and (hasKey $body.accelerator "count") (ne (int $body.accelerator.count) (int $w.gpus)) -}}
{{- template "vllm-stack.error" (list . "accelerator.count" (printf "%d does not equal tensor × pipeline × data%s = %d of parallelism; set null to derive it" (int $body.accelerator.count) (ternary " / nodes" "" (gt $w.nodes 1)) (int $w.gpus))) -}}
{{- end -}}
{{- if and $body.accelerator.product (not $body.accelerator.productLabel) -}}
{{- template "vllm-stack.error" (list . "accelerator.productLabel" "a product needs the node label that names it; set nvidia.com/gpu.product or the label of your GPUs") -}}
{{- end -}}
{{- $resource := $body.accelerator.resource | default "nvidia.com/gpu" -}}
{{- if and $body.accelerator.product (hasPrefix "nvidia.com/" ($body.accelerator.productLabel | default "")) (not (hasPrefix "nvidia.com/" $resource)) -}}
{{- template "vllm-stack.error" (list . "accelerator.productLabel" (printf "%s is no label of nodes with %s; set theirs, for example amd.com/gpu.product-name" $body.accelerator.productLabel $resource)) -}}
{{- end -}}
{{- if and (hasPrefix "nvidia.com/mig-" $resource) (gt (int $w.ranks) 1) -}}
{{- template "vllm-stack.error" (list . "parallelism" "slices of a GPU cannot share a model, they have no link between them; set tensor: 1 and pipeline: 1, or a whole GPU as resource") -}}
{{- end -}}
{{- $surge := $body.rollout.maxSurge }}{{ $unavailable := $body.rollout.maxUnavailable -}}
{{- if and (has (toString $surge) (list "0" "0%")) (has (toString $unavailable) (list "0" "0%")) -}}
{{- template "vllm-stack.error" (list . "rollout" "maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set maxUnavailable: 1") -}}
{{- end -}}
{{- if and (hasKey $body.disruption "minAvailable") (hasKey $body.disruption "maxUnavailable") -}}
{{- template "vllm-stack.error" (list . "disruption" "minAvailable and maxUnavailable exclude each other; set one of them to null") -}}
{{- end -}}
{{- if and (eq $body.cache.type "existingClaim") (not $body.cache.claimName) -}}
{{- template "vllm-stack.error" (list . "cache.claimName" "type existingClaim needs the name of a claim; set it, or type: claim to have one made") -}}
{{- end -}}
{{- if and $body.cache.claimName (not $w.claim) -}}
{{- template "vllm-stack.error" (list . "cache.claimName" (print "type " $body.cache.type " mounts no claim; set type: existingClaim, or remove the name")) -}}
{{- end -}}
{{- if has (trimSuffix "/" ($body.cache.mountPath | default "/cache")) (list "" "/tmp" "/dev/shm" "/models" "/etc/vllm-stack") -}}
{{- template "vllm-stack.error" (list . "cache.mountPath" (print $body.cache.mountPath " is taken; set a folder of its own, for example /cache")) -}}
{{- end -}}
{{- if and (or (eq $body.cache.type "claim") (eq $body.cache.type "perReplica")) (not $body.cache.size) -}}
{{- template "vllm-stack.error" (list . "cache.size" "a claim needs a size; set the size of the weights and a fifth more, for example 40Gi") -}}
{{- end -}}
{{- with $body.cache.size }}{{ with include "vllm-stack.sizeError" . }}{{ template "vllm-stack.error" (list $ "cache.size" .) }}{{ end }}{{ end -}}
{{- range $name, $value := pick $body.env "HF_TOKEN" "HUGGING_FACE_HUB_TOKEN" "VLLM_API_KEY" -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) -}}
{{- template "vllm-stack.error" (list $ (print "env." $name) "a secret is never written into a pod; set secrets, or valueFrom") -}}
{{- end -}}
{{- end -}}
{{- end -}}
