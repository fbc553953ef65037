{{/*
What each Ingress controller is told by annotations: streams unbuffered, no limit that cuts a long answer, `<prefix>/v1/`
rewritten to `/v1/`. Each takes a route as {name, body, rules, namespace, prefixes}. No snippets.
*/}}

{{/* Traefik streams as it is; what needs more than a path is in Middlewares. */}}
{{- define "vllm-stack.ingress.traefik" -}}
{{- if or .body.tls.secretName .body.tls.issuer .body.tls.clusterIssuer }}
traefik.ingress.kubernetes.io/router.entrypoints: websecure
traefik.ingress.kubernetes.io/router.tls: "true"
{{- end }}
{{- $names := list }}{{ range include "vllm-stack.middlewares" . | fromJsonArray }}{{ $names = append $names (printf "%s-%s@kubernetescrd" $.namespace .name) }}{{ end }}
{{- with $names }}
traefik.ingress.kubernetes.io/router.middlewares: {{ join "," . }}
{{- end }}
{{- end -}}

{{/* route -> JSON list of {name, spec}: the Middlewares that Traefik applies, in this order */}}
{{- define "vllm-stack.middlewares" -}}
{{- $specs := list }}{{ $found := list -}}
{{- with .body.rateLimit.requestsPerSecond -}}
{{- $limit := dict "average" (int .) "period" "1s" "burst" (int ($.body.rateLimit.burst | default .)) -}}
{{- if eq ($.body.rateLimit.per | default "client") "host" }}{{ $_ := set $limit "sourceCriterion" (dict "requestHost" true) }}{{ end -}}
{{- $specs = append $specs (list "rate" (dict "rateLimit" $limit)) -}}
{{- end -}}
{{- with .prefixes -}}
{{- $quoted := list }}{{ range . }}{{ $quoted = append $quoted (regexQuoteMeta .) }}{{ end -}}
{{- $specs = append $specs (list "prefix" (dict "replacePathRegex" (dict "regex" (printf "^(?:%s)(/v1/.*)$" (join "|" $quoted)) "replacement" "$1"))) -}}
{{- end -}}
{{- with int .body.retries.attempts }}{{ $specs = append $specs (list "retry" (dict "retry" (dict "attempts" .))) }}{{ end -}}
{{- range $specs -}}
{{- $name := include "vllm-stack.name" (dict "full" (print $.name "-" (first .)) "limit" 63) -}}
{{- $found = append $found (dict "name" $name "spec" (last .)) -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* F5's NGINX Ingress Controller: it buffers, takes bodies of 1 MiB and gives up after 60 s of silence if it is not told. */}}
{{- define "vllm-stack.ingress.nginx" -}}
{{- $silence := int (.body.timeouts.silenceSeconds | default 3600) }}
nginx.org/proxy-buffering: "False"
nginx.org/proxy-read-timeout: {{ $silence }}s
nginx.org/proxy-send-timeout: {{ $silence }}s
nginx.org/client-max-body-size: {{ ternary (printf "%dm" (int .body.maxBodyMebibytes)) "0" (not (not .body.maxBodyMebibytes)) | quote }}
{{- if .prefixes }}
{{- $rewrites := list }}{{ range .rules }}{{ range .backends }}{{ $rewrites = append $rewrites (printf "serviceName=%s rewrite=/v1/" .name) }}{{ end }}{{ end }}
nginx.org/rewrites: {{ $rewrites | uniq | join ";" | quote }}
{{- end }}
{{- with .body.rateLimit.requestsPerSecond }}
nginx.org/limit-req-rate: {{ int . }}r/s
nginx.org/limit-req-key: ${binary_remote_addr}
nginx.org/limit-req-zone-size: 10m
nginx.org/limit-req-burst: {{ int ($.body.rateLimit.burst | default .) | quote }}
nginx.org/limit-req-no-delay: "true"
nginx.org/limit-req-reject-code: "429"
{{- end }}
{{- end -}}

{{/* HAProxy Technologies' controller gives up after 50 s of silence if it is not told. */}}
{{- define "vllm-stack.ingress.haproxy" }}
haproxy.org/timeout-server: {{ int (.body.timeouts.silenceSeconds | default 3600) }}s
{{- with .prefixes }}
haproxy.org/path-rewrite: |
  {{- range . }}
  ^{{ regexQuoteMeta . }}(/v1/.*)$ \1
  {{- end }}
{{- end }}
{{- with .body.rateLimit.requestsPerSecond }}
haproxy.org/rate-limit-requests: {{ int . | quote }}
haproxy.org/rate-limit-period: 1s
haproxy.org/rate-limit-status-code: "429"
{{- end }}
{{- if or .body.tls.secretName .body.tls.issuer .body.tls.clusterIssuer }}
haproxy.org/ssl-redirect: "true"
{{- end }}
{{- end -}}

{{/* Contour cuts an answer after 15 s, Envoy's own limit, if it is not told. */}}
{{- define "vllm-stack.ingress.contour" }}
projectcontour.io/response-timeout: {{ ternary (printf "%ds" (int .body.timeouts.requestSeconds)) "infinity" (not (not .body.timeouts.requestSeconds)) }}
{{- with int .body.retries.attempts }}
projectcontour.io/num-retries: {{ quote . }}
projectcontour.io/retry-on: connect-failure,refused-stream
{{- end }}
{{- if or .body.tls.secretName .body.tls.issuer .body.tls.clusterIssuer }}
ingress.kubernetes.io/force-ssl-redirect: "true"
{{- end }}
{{- end -}}
