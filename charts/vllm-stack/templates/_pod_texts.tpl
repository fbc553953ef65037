{{/* What the pods of all workloads of a shape have alike, rendered for the first of them; each takes {root, w}. */}}

{{/* w.texts, which the workloads of a shape share; antiAffinity names the workload and is no part of it. */}}
{{- define "vllm-stack.podTexts" -}}
{{- $texts := .w.texts -}}
{{- range $text := list "podStart" "engineStart" "engineRest" }}{{ $_ := set $texts $text (include (print "vllm-stack." $text) $) }}{{ end -}}
{{- $dir := dict }}{{ if hasKey .w.body.cache "size" }}{{ $_ := set $dir "sizeLimit" .w.body.cache.size }}{{ end -}}
{{- $_ := set $texts "emptyDir" (toJson $dir) -}}
{{- $_ := set $texts "annotated" (or .w.body.podAnnotations .w.body.rollout.restartedAt .root.resolved.secretChecksum (.root.Values.monitoring).scrapeAnnotations (ne (.root.Values.mesh | default "none") "none")) -}}
{{- if not .w.body.scheduling.antiAffinity }}{{ $_ := set $texts "placement" (include "vllm-stack.placement" .) }}{{ end -}}
{{- end -}}

{{/* The start of the pod's spec: account, time to stop, and what the user says about the whole pod. */}}
{{- define "vllm-stack.podStart" -}}
{{- $w := .w }}{{ $body := $w.body }}
      serviceAccountName: {{ .root.resolved.serviceAccount }}
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
      {{- with get $body.scheduling $field }}
      {{ $field }}: {{ . }}
      {{- end }}
      {{- end }}
{{- end -}}

{{/* What the engine's container runs. */}}
{{- define "vllm-stack.engineStart" -}}
{{- $w := .w }}{{ $body := $w.body }}
          image: {{ $w.image }}
          {{- with $body.image.pullPolicy }}
          imagePullPolicy: {{ . }}
          {{- end }}
          {{- with $w.engine.command }}
          command: {{ toJson . }}
          {{- end }}
{{- end -}}

{{/* What follows its environment; a pod without HTTP has neither ports nor probes. */}}
{{- define "vllm-stack.engineRest" -}}
{{- $w := .w }}{{ $body := $w.body }}
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
          {{- if not $w.headless }}{{ include "vllm-stack.probes" . }}{{ end }}
          {{- with $body.securityContext }}
          securityContext: {{ toJson . }}
          {{- end }}
{{- end -}}

{{/* The user's requests and limits, and the accelerator in both: an extended resource cannot be overcommitted. */}}
{{- define "vllm-stack.resources" -}}
{{- $user := .w.body.resources }}{{ $accelerator := .w.body.accelerator.resource }}{{ $gpus := .w.gpus }}{{ $claims := .w.body.accelerator.claims }}
{{- if or $user $accelerator $claims }}
          resources:
            {{- with $claims }}
            claims:
              {{- range . }}
              - name: {{ .name }}
              {{- end }}
            {{- end }}
            {{- range $part := list "requests" "limits" }}
            {{- if or $accelerator (index $user $part) }}
            {{ $part }}:
              {{- range $name, $quantity := index $user $part }}
              {{ $name }}: {{ include "vllm-stack.scalar" $quantity | quote }}
              {{- end }}
              {{- with $accelerator }}
              {{ . }}: "{{ $gpus }}"
              {{- end }}
            {{- end }}
            {{- end }}
{{- end }}
{{- end -}}

{{/* The probes of the engine, and how it stops. */}}
{{- define "vllm-stack.probes" -}}
{{- $w := .w }}{{ $body := $w.body -}}
{{- $ask := printf "httpGet: {path: %s, port: %s%s}" $w.engine.probePath $w.portName (ternary ", scheme: HTTPS" "" (not (not $body.tls.existingSecret))) -}}
{{- $alive := $ask }}{{ with $w.engine.livePath }}{{ $alive = replace $w.engine.probePath . $ask }}{{ end -}}
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
{{- end -}}
