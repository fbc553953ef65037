{{/* {root, w} -> the pod template of a workload: the one pod spec. */}}
{{- define "vllm-stack.pod" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $r := .root.resolved }}{{ $cache := $body.cache }}{{ $scheduling := $body.scheduling -}}
metadata:
  labels:
    {{- $w.selector | nindent 4 }}
    {{- with $w.wvaVariant }}{{ print "llm-d.ai/variant: " . | nindent 4 }}{{ end }}
    {{- range $name, $value := $body.podLabels }}
    {{ $name }}: {{ quote $value }}
    {{- end }}
  {{- include "vllm-stack.podAnnotations" . }}
spec:
  serviceAccountName: {{ $r.serviceAccount }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $w.graceSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with $body.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- range $field := list "priorityClassName" "runtimeClassName" "schedulerName" }}
  {{- with get $scheduling $field }}
  {{ $field }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- include "vllm-stack.placement" . }}
  containers:
    - name: engine
      image: {{ $w.image }}
      {{- with $body.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      command: {{ toJson $w.engine.command }}
      args:
        {{- range $w.args }}
        - {{ quote . }}
        {{- end }}
      env:
        {{- $w.env }}
      ports:
        - {name: http, containerPort: {{ $w.engine.port }}}
      {{- include "vllm-stack.resources" . }}
      {{- if $w.budgetSeconds }}
      startupProbe: {httpGet: {path: {{ $w.engine.probePath }}, port: http}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: {{ div (add $w.budgetSeconds 1) 2 }}}
      livenessProbe: {httpGet: {path: {{ $w.engine.probePath }}, port: http}, periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6}
      {{- end }}
      readinessProbe: {httpGet: {path: {{ $w.engine.probePath }}, port: http}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3}
      {{- with int $body.shutdown.preStopSeconds }}
      lifecycle: {preStop: {sleep: {seconds: {{ . }}}}}
      {{- end }}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts:
        - {name: cache, mountPath: {{ $cache.mountPath | default "/cache" }}}
        - {name: tmp, mountPath: /tmp}
        {{- if $w.shm }}
        - {name: shm, mountPath: /dev/shm}
        {{- end }}
        {{- if $w.modelClaim }}
        - {name: models, mountPath: /models, readOnly: true}
        {{- end }}
        {{- if $w.chatTemplate }}
        - {name: chat-template, mountPath: /etc/vllm-stack, readOnly: true}
        {{- end }}
  volumes:
    - name: cache
      {{- if $w.claim }}
      persistentVolumeClaim: {claimName: {{ $w.claim }}}
      {{- else }}
      emptyDir: {{ ternary (dict "sizeLimit" $cache.size) dict (hasKey $cache "size") | toJson }}
      {{- end }}
    - {name: tmp, emptyDir: {}}
    {{- if $w.shm }}
    - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ $w.shm }}}}
    {{- end }}
    {{- with $w.modelClaim }}
    - {name: models, persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}}
    {{- end }}
    {{- if $w.chatTemplate }}
    - {name: chat-template, configMap: {name: {{ $w.name }}}}
    {{- end }}
{{- end -}}
