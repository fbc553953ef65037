{{/*
root -> .resolved, once per render: what the values mean for the version that runs. Every map of the values is there,
also where a null removed it.
*/}}
{{- define "wva.resolve" -}}
{{- if not (hasKey . "resolved") -}}
{{- $v := deepCopy .Values -}}
{{- range $key := list "image" "prometheus" "saturation" "scaleToZero" "endpointPicker" "namespaceScope" "leaderElection" "metrics" "networkPolicy" "serviceAccount" "rbac" "extraConfig" "scheduling" -}}
{{- if not (get $v $key) }}{{ $_ := set $v $key dict }}{{ end -}}
{{- end -}}
{{- range $key := list "caSecret" "caConfigMap" "tokenSecret" -}}
{{- if not (get $v.prometheus $key) }}{{ $_ := set $v.prometheus $key dict }}{{ end -}}
{{- end -}}
{{- if not $v.metrics.serviceMonitor }}{{ $_ := set $v.metrics "serviceMonitor" dict }}{{ end -}}
{{- $r := dict "values" $v "name" (include "wva.fullname" .) "account" (include "wva.serviceAccountName" .) -}}
{{- $_ := set . "resolved" $r -}}
{{- $_ := set $r "annotations" (ne (toString $v.api) "variantautoscaling") -}}
{{- $_ := set $r "version" (ternary "0.9.0" "0.7.0" $r.annotations) -}}
{{- $tag := $v.image.tag | default (print "v" $r.version) -}}
{{- with $v.image.digest }}{{ $tag = "" }}{{ end -}}
{{- $_ := set $r "image" (print $v.image.repository (ternary (print ":" $tag) (print "@" $v.image.digest) (ne $tag ""))) -}}
{{- $_ := set $r "watched" "" -}}
{{- if $v.namespaceScope.enabled }}{{ $_ := set $r "watched" ($v.namespaceScope.namespace | default .Release.Namespace) }}{{ end -}}
{{- $_ := set $r "leads" (ne (toString $v.leaderElection.enabled) "false") -}}
{{- $_ := set $r "secure" (ne (toString $v.metrics.secure) "false") -}}
{{/* Nodes are read by the limiter that counts GPUs, and by none that has quotas. */}}
{{- $quota := contains "\"type\":\"quota\"" (toJson $v.saturation.limiters) -}}
{{- $_ := set $r "countsGpus" (and $v.saturation.enableLimiter (not $quota)) -}}
{{- $_ := set $r "pickerSecret" ($v.endpointPicker.createToken | ternary (include "wva.pickerName" .) ($v.endpointPicker.tokenSecret | default "")) -}}
{{- template "wva.files" . -}}
{{- template "wva.validate" . -}}
{{- end -}}
{{- end -}}
