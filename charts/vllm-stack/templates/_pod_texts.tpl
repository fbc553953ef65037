{{/* What the workloads of a shape and their pods have alike, rendered for the first of them; each takes {root, w}. */}}

{{/* w.texts, which the workloads of a shape share. What names the workload is no part of it: antiAffinity, and constraints
of the user's own. */}}
{{- define "vllm-stack.podTexts" -}}
{{- $texts := .w.texts -}}
{{- range $text := list "rollout" "podLabels" "podStart" "engineStart" "engineRest" }}{{ $_ := set $texts $text (include (print "vllm-stack." $text) $) }}{{ end -}}
{{- $dir := dict }}{{ if hasKey .w.body.cache "size" }}{{ $_ := set $dir "sizeLimit" .w.body.cache.size }}{{ end -}}
{{- $_ := set $texts "emptyDir" (toJson $dir) -}}
{{- $_ := set $texts "annotated" (or .w.body.podAnnotations .w.body.rollout.restartedAt .root.resolved.secretChecksum (.root.Values.monitoring).scrapeAnnotations (ne (.root.Values.mesh | default "none") "none")) -}}
{{- if not .w.body.scheduling.antiAffinity }}{{ $_ := set $texts "placement" (include "vllm-stack.placement" .) }}{{ end -}}
{{- if not .w.body.scheduling.topologySpreadConstraints }}{{ $_ := set $texts "spread" (include "vllm-stack.spread" .) }}{{ end -}}
{{- end -}}

{{/* How a Deployment replaces its pods. */}}
{{- define "vllm-stack.rollout" -}}
{{- template "vllm-stack.history" .w.body.rollout }}
  strategy:
    rollingUpdate: {{ pick .w.body.rollout "maxSurge" "maxUnavailable" | toJson }}
{{- end -}}

{{/* rollout -> what Deployments and StatefulSets both know of it */}}
{{- define "vllm-stack.history" -}}
{{- with int .minReadySeconds }}
  minReadySeconds: {{ . }}
{{- end }}
{{- if hasKey . "revisionHistoryLimit" }}
  revisionHistoryLimit: {{ int .revisionHistoryLimit }}
{{- end }}
{{- end -}}

{{/* The labels of the pod beside those of its selector. */}}
{{- define "vllm-stack.podLabels" -}}
{{- $w := .w }}{{ $labels := mergeOverwrite (deepCopy .root.resolved.commonLabels) ($w.body.podLabels | default dict) }}
        {{- if and (ne $w.role "server") (not $w.headless) }}
        llm-d.ai/role: {{ $w.role }}
        {{- end }}
        {{- if ne (.root.Values.mesh | default "none") "none" }}
        {{- include "vllm-stack.meshLabels" . | trim | nindent 8 }}
        {{- end }}
        {{- range $name, $value := $labels }}
        {{ $name }}: {{ quote $value }}
        {{- end }}
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
