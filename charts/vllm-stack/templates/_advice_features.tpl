{{/* root -> lines for NOTES about the features of models, see _advice.tpl */}}
{{- define "vllm-stack.featureAdvice" -}}
{{- $policy := .Values.networkPolicy | default dict -}}
{{- if not $policy.enabled }}
{{- range $m := .resolved.models }}
{{- if ne $m.main.modelService.type "ClusterIP" }}
- models.{{ $m.key }}: service.type {{ $m.body.service.type }} publishes every path of the engine, also those that ask for no key; set ClusterIP and routing, or networkPolicy.
{{- end }}
{{- end }}
{{- end }}
{{- if ne ((.Values.routing).kind | default "none") "none" }}
{{- range $m := .resolved.models }}
{{- if $m.body.tls.existingSecret }}
- models.{{ $m.key }}: its Service speaks TLS; the gateway or mesh must speak it to {{ $m.name }} too, see docs/security.md.
{{- end }}
{{- end }}
{{- end }}
{{- if and (not $policy.enabled) (or $policy.from $policy.scrapeFrom $policy.egress) }}
- networkPolicy renders nothing while networkPolicy.enabled is false.
{{- end }}
{{- end -}}
