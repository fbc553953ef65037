{{/* root -> the pod spec of the controller */}}
{{- define "wva.pod" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $port := int ($v.metrics.port | default 8443) }}{{ $lead := $v.leaderElection -}}
serviceAccountName: {{ $r.account }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with $v.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $v.podSecurityContext }}
securityContext: {{ toJson . }}
{{- end }}
{{- with $v.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.scheduling.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $v.scheduling.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with $v.scheduling.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
terminationGracePeriodSeconds: 10
containers:
  - name: manager
    image: {{ $r.image }}
    imagePullPolicy: {{ $v.image.pullPolicy | default "IfNotPresent" }}
    command: [/manager]
    args:
      - --config-file=/etc/wva/config.yaml
      - --health-probe-bind-address=:8081
      - --metrics-bind-address=:{{ $port }}
      - --metrics-secure={{ $r.secure }}
      {{- if $v.metrics.tlsSecret }}
      - --metrics-cert-path=/etc/metrics-certificate
      {{- end }}
      - --leader-elect={{ $r.leads }}
      {{- if $r.leads }}
      - --leader-election-lease-duration={{ int ($lead.leaseSeconds | default 60) }}s
      - --leader-election-renew-deadline={{ int ($lead.renewSeconds | default 50) }}s
      - --leader-election-retry-period={{ int ($lead.retrySeconds | default 10) }}s
      {{- end }}
      {{- with $r.watched }}
      - --watch-namespace={{ . }}
      {{- end }}
    env:
      - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
      - {name: LOG_LEVEL, value: {{ $v.logLevel | default "info" }}}
      - {name: POOL_GROUP, value: {{ $v.poolGroup | default "inference.networking.k8s.io" }}}
      - {name: SATURATION_CONFIG_MAP_NAME, value: {{ $r.name }}-saturation}
      {{- if $v.scaleToZero.enabled }}
      - {name: WVA_SCALE_TO_ZERO, value: "true"}
      {{- end }}
      {{- with $v.controllerInstance }}
      - {name: CONTROLLER_INSTANCE, value: {{ quote . }}}
      {{- end }}
      {{- with $v.gpuNodeSelector }}
      - {name: WVA_NODE_SELECTOR, value: {{ quote . }}}
      {{- end }}
    ports:
      - {name: metrics, containerPort: {{ $port }}}
      - {name: probes, containerPort: 8081}
    {{- /* The probes' port opens once Prometheus has answered, for which the controller waits more than five minutes. */}}
    startupProbe:
      httpGet: {path: /healthz, port: probes}
      periodSeconds: 5
      failureThreshold: 84
    livenessProbe:
      httpGet: {path: /healthz, port: probes}
      periodSeconds: 20
    readinessProbe:
      httpGet: {path: /readyz, port: probes}
      periodSeconds: 10
    {{- with $v.resources }}
    resources: {{ toJson . }}
    {{- end }}
    {{- with $v.securityContext }}
    securityContext: {{ toJson . }}
    {{- end }}
    volumeMounts:
      - {name: config, mountPath: /etc/wva/config.yaml, subPath: config.yaml, readOnly: true}
      {{- range $r.mounts }}
      - {{ toJson . }}
      {{- end }}
volumes:
  - {name: config, configMap: {name: {{ $r.name }}-config}}
  {{- range $r.volumes }}
  - {{ toJson . }}
  {{- end }}
{{- end -}}
