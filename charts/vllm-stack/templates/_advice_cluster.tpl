{{/* root -> lines for NOTES about what must be there beside the release, and about who reaches the routes, see _advice.tpl */}}
{{- define "vllm-stack.clusterAdvice" -}}
{{- $made := dict }}{{ range .resolved.storage }}{{ if .made }}{{ $_ := set $made .claim true }}{{ end }}{{ end -}}
{{- $needed := dict }}{{ $used := list }}{{ $products := dict -}}
{{- range $w := .resolved.workloads }}
{{- $cache := and (eq $w.body.cache.type "existingClaim") $w.claim }}
{{- if or $cache $w.modelClaim $w.featureClaims }}
{{- $used = concat $used ($w.storageKeys | default list) }}
{{- range concat ($w.featureClaims | default list) (list $w.modelClaim $cache) }}
{{- if and . (not (hasKey $made .)) }}{{ $_ := set $needed . true }}{{ end }}
{{- end }}
{{- if and $cache (gt (mul $w.replicas $w.nodes) 1) }}
- {{ $w.path }}: {{ mul $w.replicas $w.nodes }} pods mount the claim {{ $cache }}; it must be ReadWriteMany.
{{- end }}
{{- end }}
{{- end }}
{{- range $shape := .resolved.shapes }}
{{- $a := $shape.body.accelerator }}
{{- if and $shape.engine (eq (toString $a.productLabel) "nvidia.com/gpu.product") }}
{{- range ternary (list $a.product) $a.product (kindIs "string" $a.product) }}
{{- if and . (not (regexMatch "^(NVIDIA|Tesla|Quadro|GRID|GeForce|TITAN)-" .)) }}{{ $_ := set $products . true }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- with keys $needed | sortAlpha }}
- Pods wait until these claims exist, of the namespace and not of storage.claims: {{ join ", " . }}. See: kubectl get pvc --namespace {{ $.Release.Namespace }}
{{- end }}
{{- range $key, $c := .resolved.storage }}
{{- if not (has $key $used) }}
- {{ $c.path }}: no model refers to it; name it in source.uri (pvc://{{ $key }}/path), source.job.claim or cache.claimName.
{{- end }}
{{- end }}
{{- with keys $products | sortAlpha }}
- accelerator.product {{ join ", " . }}: no name of an NVIDIA GPU begins like this, and pods wait for a node with that label; compare: kubectl get nodes -L nvidia.com/gpu.product
{{- end }}
{{- range $route := .resolved.routes }}
{{- $tls := $route.body.tls }}
{{- if and (eq $.Values.routing.kind "ingress") (not (or $tls.secretName $tls.issuer $tls.clusterIssuer)) }}
- {{ $route.path }}: without a certificate keys and prompts pass in the clear; set tls.clusterIssuer, tls.issuer or tls.secretName, unless TLS ends before the controller.
{{- end }}
{{- end }}
{{- if and .resolved.routes (not .resolved.secretEnv.VLLM_API_KEY) }}
- Whoever reaches the hosts of routing.routes may ask the models; set secrets.apiKey, unless the gateway lets in only whom it knows.
{{- end }}
{{- end -}}
