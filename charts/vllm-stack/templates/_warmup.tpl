{{/* {root, c, warmup} -> the spec of the Job that reads a JuiceFS claim into the caches of its nodes, one pod per node. */}}
{{- define "vllm-stack.warmupSpec" -}}
{{- $warmup := .warmup }}{{ $nodes := int ($warmup.nodes | default 1) -}}
completions: {{ $nodes }}
parallelism: {{ $nodes }}
backoffLimit: 4
template:
  metadata:
    labels: &labels
      {{- include "vllm-stack.releaseLabels" .root | nindent 6 }}
      app.kubernetes.io/component: warmup
      vllm-stack.io/claim: {{ .c.key }}
      sidecar.istio.io/inject: "false"
  spec:
    restartPolicy: Never
    serviceAccountName: {{ .root.resolved.serviceAccount }}
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
    {{- with index $warmup $field }}
    {{ $field }}: {{ toJson . }}
    {{- end }}
    {{- end }}
    topologySpreadConstraints:
      - topologyKey: kubernetes.io/hostname
        maxSkew: 1
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app.kubernetes.io/instance: {{ quote .root.Release.Name }}, app.kubernetes.io/component: warmup, vllm-stack.io/claim: {{ .c.key }}}}
    containers:
      - name: warmup
        image: {{ $warmup.image | default "juicedata/mount:ce-v1.3.1" }}
        command: [juicefs, warmup, {{ print "/models/" ($warmup.path | default "" | trimAll "/") | trimSuffix "/" | quote }}]
        env:
          - {name: HOME, value: /tmp}
        terminationMessagePolicy: FallbackToLogsOnError
        resources: {requests: {cpu: 100m, memory: 128Mi}}
        securityContext: {{ template "vllm-stack.restricted" . }}
        volumeMounts:
          # Writable: the client gives its orders through a file of the mount.
          - {name: models, mountPath: /models, mountPropagation: HostToContainer}
          - {name: tmp, mountPath: /tmp}
    volumes:
      - {name: models, persistentVolumeClaim: {claimName: {{ .c.claim }}}}
      - {name: tmp, emptyDir: {}}
{{- end -}}
