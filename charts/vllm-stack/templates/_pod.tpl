{{/* {root, w} -> the pod template of a workload: the one pod spec. */}}
{{- define "vllm-stack.pod" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $r := .root.resolved }}{{ $cache := $body.cache }}{{ $scheduling := $body.scheduling -}}
{{- $ask := printf "httpGet: {path: %s, port: %s%s}" $w.engine.probePath $w.portName (ternary ", scheme: HTTPS" "" (not (not $body.tls.existingSecret))) -}}
{{- $alive := $ask }}{{ with $w.engine.livePath }}{{ $alive = replace $w.engine.probePath . $ask }}{{ end -}}
{{- $labels := $body.podLabels }}{{ with $r.commonLabels }}{{ $labels = mergeOverwrite (deepCopy .) ($body.podLabels | default dict) }}{{ end -}}
metadata:
  labels:
    {{- $w.selector | nindent 4 }}
    {{- if and (ne $w.role "server") (not $w.headless) }}
    llm-d.ai/role: {{ $w.role }}
    {{- end }}
    {{- if ne (.root.Values.mesh | default "none") "none" }}
    {{- include "vllm-stack.meshLabels" . | trim | nindent 4 }}
    {{- end }}
    {{- with $w.wvaVariant }}{{ print "llm-d.ai/variant: " . | nindent 4 }}{{ end }}
    {{- range $name, $value := $labels }}
    {{ $name }}: {{ quote $value }}
    {{- end }}
  {{- include "vllm-stack.podAnnotations" . }}
spec:
  serviceAccountName: {{ $r.serviceAccount }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $w.graceSeconds }}
  {{- with $body.podSecurityContext }}
  securityContext: {{ toJson . }}
  {{- end }}
  {{- range $field, $value := $body.podSpec }}
  {{ $field }}: {{ toJson $value }}
  {{- end }}
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
  {{- if $body.accelerator.claims }}{{ include "vllm-stack.resourceClaims" . }}{{ end }}
  {{- with $w.initContainers }}
  initContainers:
    {{- range . }}
    - {{ toJson . }}
    {{- end }}
  {{- end }}
  containers:
    - name: engine
      image: {{ $w.image }}
      {{- with $body.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      {{- with $w.engine.command }}
      command: {{ toJson . }}
      {{- end }}
      args:
        {{- range $w.args }}
        - {{ quote . }}
        {{- end }}
      env:
        {{- $w.env }}
      {{- with $body.envFrom }}
      envFrom: {{ toJson . }}
      {{- end }}
      {{- if not $w.headless }}
      ports:
        - {name: {{ $w.portName }}, containerPort: {{ $w.port }}}
        {{- range $name, $port := $w.engine.ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      {{- end }}
      {{- include "vllm-stack.resources" . }}
      {{- if not $w.headless }}
      {{- if $w.budgetSeconds }}
      {{- if $body.warmup.prompts }}
      {{- /* The probe that ends the start asks the prompts: the pod is not ready before they are answered. */}}
      startupProbe: {exec: {command: [python3, /etc/vllm-stack/warm_up.py]}, periodSeconds: 5, timeoutSeconds: {{ int ($body.warmup.timeoutSeconds | default 60) }}, failureThreshold: {{ div (add $w.budgetSeconds 4) 5 }}}
      {{- else }}
      startupProbe: { {{- $ask }}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: {{ div (add $w.budgetSeconds 1) 2 }}}
      {{- end }}
      livenessProbe: { {{- $alive }}, periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6}
      {{- end }}
      readinessProbe: { {{- $ask }}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3}
      {{- with int $body.shutdown.preStopSeconds }}
      lifecycle: {preStop: {sleep: {seconds: {{ . }}}}}
      {{- end }}
      {{- end }}
      {{- with $body.securityContext }}
      securityContext: {{ toJson . }}
      {{- end }}
      volumeMounts:
        - {name: cache, mountPath: {{ $cache.mountPath | default "/cache" }}{{ with $w.cachePropagation }}, mountPropagation: {{ . }}{{ end }}}
        - {name: tmp, mountPath: /tmp}
        {{- if $w.shm }}
        - {name: shm, mountPath: /dev/shm}
        {{- end }}
        {{- with $w.modelMount }}
        - {{ toJson . }}
        {{- end }}
        {{- if $w.config }}
        - {name: config, mountPath: /etc/vllm-stack, readOnly: true}
        {{- end }}
        {{- range $w.mounts }}
        - {{ toJson . }}
        {{- end }}
    {{- range $w.containers }}
    - {{ toJson . }}
    {{- end }}
  volumes:
    {{- if not $w.ownClaims }}
    - name: cache
      {{- if $w.claim }}
      persistentVolumeClaim: {claimName: {{ $w.claim }}}
      {{- else }}
      emptyDir: {{ ternary (dict "sizeLimit" $cache.size) dict (hasKey $cache "size") | toJson }}
      {{- end }}
    {{- end }}
    - {name: tmp, emptyDir: {}}
    {{- if $w.shm }}
    - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ $w.shm }}}}
    {{- end }}
    {{- with $w.modelVolume }}
    - {{ toJson . }}
    {{- end }}
    {{- if $w.config }}
    - {name: config, configMap: {name: {{ $w.name }}}}
    {{- end }}
    {{- range $w.volumes }}
    - {{ toJson . }}
    {{- end }}
{{- end -}}
