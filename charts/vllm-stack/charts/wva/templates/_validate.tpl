{{/*
Rules between values, which a schema cannot state: every broken one at once, as "<key>: <rule>; <what to set>". Most
are the controller's own, which it states in its log, or by a setting that has no effect.
*/}}
{{- define "wva.validate" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $errors := list -}}
{{- range $part := list "prometheus" "saturation" "version" "pods" -}}
{{- $errors = concat $errors (include (print "wva." $part "Errors") $ | fromJsonArray) -}}
{{- end -}}
{{- if $errors -}}
{{- fail (printf "\n\nwva cannot render these values:\n  %s\n" (join "\n  " $errors)) -}}
{{- end -}}
{{- end -}}

{{- define "wva.prometheusErrors" -}}
{{- $r := .resolved }}{{ $v := $r.values }}{{ $p := $v.prometheus }}{{ $errors := list }}{{ $url := $p.url | default "" -}}
{{- $ca := or $p.caSecret.name $p.caConfigMap.name -}}
{{- if not $url -}}
{{- $errors = append $errors "prometheus.url: the controller ends without it; set it, for example https://prometheus-operated.monitoring:9090" -}}
{{- else if (urlParse $url).userinfo -}}
{{- $errors = append $errors "prometheus.url: the controller takes no user name or password in it; remove them, and set tokenSecret" -}}
{{- end -}}
{{- if hasPrefix "http://" $url -}}
{{- if eq (toString $p.allowHTTP) "false" -}}
{{- $errors = append $errors "prometheus.url: http:// is not allowed; set an https:// address, or allowHTTP: true" -}}
{{- end -}}
{{- $used := dict "caSecret" $p.caSecret.name "caConfigMap" $p.caConfigMap.name "tokenSecret" $p.tokenSecret.name "serviceAccountToken" $p.serviceAccountToken
      "clientSecret" $p.clientSecret "serverName" $p.serverName "insecureSkipVerify" $p.insecureSkipVerify -}}
{{- range $key, $value := $used }}{{ if $value -}}
{{- $errors = append $errors (print "prometheus." $key ": the controller ends with it on an http:// address; remove it, or set an https:// url") -}}
{{- end }}{{ end -}}
{{- end -}}
{{- if and $p.caSecret.name $p.caConfigMap.name -}}
{{- $errors = append $errors "prometheus.caConfigMap: it and caSecret exclude each other; remove one of them" -}}
{{- end -}}
{{- if and $p.tokenSecret.name $p.serviceAccountToken -}}
{{- $errors = append $errors "prometheus.serviceAccountToken: it and tokenSecret exclude each other; remove one of them" -}}
{{- end -}}
{{- if and $p.insecureSkipVerify (or $ca $p.clientSecret) -}}
{{- $errors = append $errors "prometheus.insecureSkipVerify: the controller reads neither CA nor client certificate beside it; set false, or remove them" -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
