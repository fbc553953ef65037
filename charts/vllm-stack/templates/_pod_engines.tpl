{{/* The parts of a pod that only some engines and accelerators need; each takes {root, w}. */}}

{{/* Copies the model's folder out of the image and fills in this model, before the server reads it. */}}
{{- define "vllm-stack.repositoryContainer" }}
  initContainers:
    - name: repository
      image: {{ .w.image }}
      {{- with .w.body.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      command: [python3, /etc/vllm-stack/triton_repository.py]
      args: [{{ .w.engine.repository.template }}, /etc/vllm-stack/model.yaml, /repository/{{ first .w.servedNames }}]
      resources:
        requests: {cpu: 50m, memory: 64Mi}
        limits: {memory: 256Mi}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts:
        - {name: config, mountPath: /etc/vllm-stack, readOnly: true}
        - {name: repository, mountPath: /repository}
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
