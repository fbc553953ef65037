{{/* The parts of a pod that only some engines and accelerators need; each takes {root, w}. */}}

{{/* Adds an init container that copies the model's folder out of the image and fills in this model. */}}
{{- define "vllm-stack.repositoryFolder" -}}
{{- $w := .w }}{{ $script := "triton_repository.py" -}}
{{- $_ := set $w.config $script (.root.Files.Get (print "files/" $script)) -}}
{{- $arguments := list $w.engine.repository.template "/etc/vllm-stack/model.yaml" (print "/repository/" (first $w.servedNames)) -}}
{{- $container := dict "name" "repository" "image" $w.image "command" (list "python3" (print "/etc/vllm-stack/" $script)) "args" $arguments
      "resources" (dict "requests" (dict "cpu" "50m" "memory" "64Mi") "limits" (dict "memory" "256Mi"))
      "securityContext" (include "vllm-stack.restricted" . | fromYaml)
      "volumeMounts" (list (dict "name" "config" "mountPath" "/etc/vllm-stack" "readOnly" true) (dict "name" "repository" "mountPath" "/repository")) -}}
{{- with $w.body.image.pullPolicy }}{{ $_ := set $container "imagePullPolicy" . }}{{ end -}}
{{- $_ := set $w "initContainers" (append $w.initContainers $container) -}}
{{- $_ := set $w "volumes" (append $w.volumes (dict "name" "repository" "emptyDir" dict)) -}}
{{- $_ := set $w "mounts" (append $w.mounts (dict "name" "repository" "mountPath" "/repository" "readOnly" true)) -}}
{{- end -}}

{{/* Devices by dynamic resource allocation: the pod's claims, existing or made from the chart's template. */}}
{{- define "vllm-stack.resourceClaims" }}
      resourceClaims:
        {{- range .w.body.accelerator.claims }}
        {{- if .resourceClaimName }}
        - {name: {{ .name }}, resourceClaimName: {{ .resourceClaimName }}}
        {{- else }}
        - {name: {{ .name }}, resourceClaimTemplateName: {{ .resourceClaimTemplateName | default (include "vllm-stack.claimTemplateName" (list $.w.name .name)) }}}
        {{- end }}
        {{- end }}
{{- end -}}
