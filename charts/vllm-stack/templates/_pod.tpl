{{/* {root, w} -> the pod template of a workload: the one pod spec, indented for a Deployment, which most workloads are. */}}
{{- define "vllm-stack.pod" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $cache := $body.cache }}{{ $texts := $w.texts -}}
{{- if not $texts }}{{ template "vllm-stack.podTexts" . }}{{ end }}
    metadata:
      labels:
        {{- $w.selector | nindent 8 }}
        {{- $texts.podLabels }}
        {{- with $w.wvaVariant }}{{ print "llm-d.ai/variant: " . | nindent 8 }}{{ end }}
      {{- if or $texts.annotated $w.config }}{{ template "vllm-stack.podAnnotations" . }}{{ end }}
    spec:
      {{- $texts.podStart }}
      {{- if $body.scheduling.antiAffinity }}{{ template "vllm-stack.placement" . }}{{ else }}{{ $texts.placement }}{{ end }}
      {{- if $body.scheduling.topologySpreadConstraints }}{{ template "vllm-stack.spread" . }}{{ else }}{{ $texts.spread }}{{ end }}
      {{- if $body.accelerator.claims }}{{ template "vllm-stack.resourceClaims" . }}{{ end }}
      {{- with $w.initContainers }}
      initContainers:
        {{- range . }}
        - {{ toJson . }}
        {{- end }}
      {{- end }}
      containers:
        - name: engine
          {{- $texts.engineStart }}
          args:
            {{- range $w.args }}
            - {{ quote . }}
            {{- end }}
          env:
            {{- $w.env }}
          {{- $texts.engineRest }}
          volumeMounts:
            - {name: cache, mountPath: {{ or $cache.mountPath "/cache" }}{{ with $w.cachePropagation }}, mountPropagation: {{ . }}{{ end }}}
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
        - {name: cache, {{ if $w.claim }}persistentVolumeClaim: {claimName: {{ $w.claim }}}{{ else }}emptyDir: {{ $texts.emptyDir }}{{ end }}}
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
