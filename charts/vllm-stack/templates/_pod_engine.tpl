{{/* The engine's container, as far as the workloads of a shape have it alike, see _pod_texts.tpl. */}}

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
          {{- template "vllm-stack.resources" . }}
          {{- if not $w.headless }}{{ template "vllm-stack.probes" . }}{{ end }}
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
            {{- $quantities := dict }}{{ range $name, $quantity := index $user $part }}{{ $_ := set $quantities $name (include "vllm-stack.scalar" $quantity) }}{{ end }}
            {{- with $accelerator }}{{ $_ := set $quantities . (toString $gpus) }}{{ end }}
            {{ $part }}: {{ toJson $quantities }}
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
