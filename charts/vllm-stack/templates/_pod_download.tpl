{{/* {root, d} -> the spec of a download's Job. Exit code 3 says that another try cannot help. */}}
{{- define "vllm-stack.downloadSpec" -}}
{{- $d := .d }}{{ $job := $d.job }}{{ $body := $d.w.body -}}
backoffLimit: 4
{{- with $d.w.budgetSeconds }}
activeDeadlineSeconds: {{ . }}
{{- end }}
{{- if $d.hook }}
ttlSecondsAfterFinished: 86400
{{- end }}
podFailurePolicy:
  rules:
    - {action: FailJob, onExitCodes: {containerName: download, operator: In, values: [3]}}
template:
  metadata:
    labels:
      {{- include "vllm-stack.releaseLabels" .root | nindent 6 }}
      app.kubernetes.io/component: download
      # A mesh's proxy would outlive the download, and the Job never end.
      sidecar.istio.io/inject: "false"
  spec:
    restartPolicy: Never
    serviceAccountName: {{ ternary (include "vllm-stack.downloadAccount" .root) .root.resolved.serviceAccount $d.hook }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    securityContext:
      runAsNonRoot: true
      runAsUser: 1000
      runAsGroup: 1000
      fsGroup: 1000
      fsGroupChangePolicy: OnRootMismatch
      seccompProfile: {type: RuntimeDefault}
    {{- range $field := list "nodeSelector" "tolerations" }}
    {{- with index $job $field }}
    {{ $field }}: {{ toJson . }}
    {{- end }}
    {{- end }}
    {{- with $body.image.pullSecrets }}
    imagePullSecrets:
      {{- range . }}
      - name: {{ . }}
      {{- end }}
    {{- end }}
    containers:
      - name: download
        image: {{ $job.image | default $d.w.image }}
        {{- with $body.image.pullPolicy }}
        imagePullPolicy: {{ . }}
        {{- end }}
        command: [python3, -c]
        args:
          - {{ .root.Files.Get "files/download_model.py" | toJson }}
        env:
          {{- range $name, $value := include "vllm-stack.downloadEnv" . | fromJson }}
          {{- if kindIs "map" $value }}
          - {name: {{ $name }}, valueFrom: {{ toJson $value.valueFrom }}}
          {{- else if not (kindIs "invalid" $value) }}
          - {name: {{ $name }}, value: {{ include "vllm-stack.scalar" $value | quote }}}
          {{- end }}
          {{- end }}
        # Its last lines, which say why, are in the pod's status when it fails.
        terminationMessagePolicy: FallbackToLogsOnError
        {{- with $job.resources }}
        resources: {{ toJson . }}
        {{- end }}
        securityContext: {{ template "vllm-stack.restricted" . }}
        volumeMounts:
          - {{ omit $d.w.modelMount "readOnly" | toJson }}
          - {name: tmp, mountPath: /tmp}
    volumes:
      - {name: models, persistentVolumeClaim: {claimName: {{ $d.w.modelClaim }}}}
      - {name: tmp, emptyDir: {}}
{{- end -}}

{{/* {root, w} -> the init container that waits for a download beside the pods: a folder is there when it is whole */}}
{{- define "vllm-stack.waitForModel" -}}
name: wait-for-model
image: {{ .w.image }}
{{- with .w.body.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
command: [sh, -c, 'until [ -d "$TARGET" ]; do echo "waiting until $TARGET is downloaded; see the Job of this release"; sleep 5; done']
env:
  - {name: TARGET, value: {{ .w.modelPath }}}
resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
securityContext: {{ template "vllm-stack.restricted" . }}
volumeMounts:
  - {{ toJson .w.modelMount }}
{{- end -}}
