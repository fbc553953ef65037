{{/* The rules of one route, see _validate_routes.tpl. */}}

{{/* {kind, route} -> JSON list: what is wrong with a route beside its models */}}
{{- define "vllm-stack.routeBodyErrors" -}}
{{- $path := .route.path }}{{ $body := .route.body }}{{ $errors := list -}}
{{- $request := int $body.timeouts.requestSeconds }}{{ $try := int $body.timeouts.backendSeconds -}}
{{- if and $request (gt $try $request) -}}
{{- $errors = append $errors (printf "%s.timeouts.backendSeconds: one try of %d s cannot last longer than the request of %d s; set requestSeconds or less" $path $try $request) -}}
{{- end -}}
{{- if and $try (eq .kind "istio") (not (int $body.retries.attempts)) -}}
{{- $errors = append $errors (print $path ".timeouts.backendSeconds: kind istio limits a try only where there are several; set retries.attempts, or requestSeconds instead") -}}
{{- end -}}
{{- if and $body.rateLimit.burst (not $body.rateLimit.requestsPerSecond) -}}
{{- $errors = append $errors (print $path ".rateLimit.burst: there is no rate to exceed; set rateLimit.requestsPerSecond") -}}
{{- end -}}
{{- if and (or $body.tls.secretName $body.tls.issuer $body.tls.clusterIssuer) (not $body.hosts) -}}
{{- $errors = append $errors (print $path ".hosts: a certificate needs names; set the hosts") -}}
{{- end -}}
{{- if and $body.tls.issuer $body.tls.clusterIssuer -}}
{{- $errors = append $errors (print $path ".tls: issuer and clusterIssuer exclude each other; set one of them to null") -}}
{{- end -}}
{{- if has .kind (list "gateway" "inferencePool") -}}
{{- range $what, $number := dict "rules" (len .route.rules) "hosts" (len $body.hosts) -}}
{{- if gt $number 16 -}}
{{- $errors = append $errors (printf "%s: %d %s, and an HTTPRoute has room for 16; set a second route" $path $number $what) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}

{{/* {kind, route, routing} -> JSON list: what is wrong with the models of a route */}}
{{- define "vllm-stack.ruleErrors" -}}
{{- $route := .route }}{{ $pools := (.routing.inferencePool | default dict).endpointPickers | default dict }}{{ $kind := .kind }}{{ $errors := list }}{{ $served := dict -}}
{{/* Models that share requests serve a common name by intent. */}}
{{- $together := dict -}}
{{- range $rule := $route.rules }}{{ range $one := $rule.entries }}{{ range $rule.entries }}{{ $_ := set $together (print $one.model.key " " .model.key) true }}{{ end }}{{ end }}{{ end -}}
{{- range $rule := $route.rules -}}
{{- $first := first $rule.entries }}{{ $sum := 0 }}{{ $unweighted := list }}{{ $keys := list }}{{ $common := $first.model.servedNames -}}
{{- range $e := $rule.entries -}}
{{- $keys = append $keys $e.key -}}
{{- if $e.weighted }}{{ $sum = add $sum $e.weight }}{{ else }}{{ $unweighted = append $unweighted $e }}{{ end -}}
{{- $names := $e.model.servedNames }}{{ $kept := list }}{{ range $common }}{{ if has . $names }}{{ $kept = append $kept . }}{{ end }}{{ end }}{{ $common = $kept -}}
{{- if and (eq $e.key $first.key) (regexMatch "/(v1|[.]{1,2})(/|$)" $rule.prefix) -}}
{{- $errors = append $errors (printf "%s.prefix: %q has a part that is v1, . or .., so its paths are not its own; set another one" $e.at $rule.prefix) -}}
{{- end -}}
{{- range $alias := $names -}}
{{- $other := get $served $alias -}}
{{- if and $other (ne $other.prefix $rule.prefix) (not (hasKey $together (print $other.model " " $e.model.key))) -}}
{{- $errors = append $errors (printf "%s: the models %s and %s both serve the name %s; set another servedNames for one of them" $route.path $other.model $e.model.key $alias) -}}
{{- end -}}
{{- $_ := set $served $alias (dict "prefix" $rule.prefix "model" $e.model.key) -}}
{{- end -}}
{{- $api := $e.model.main.engine.api | default "/v1" -}}
{{- if ne $api "/v1" -}}
{{- $errors = append $errors (printf "%s: the engine of %s answers under %s, and routes publish /v1 only; set a route of your own in extraObjects" $e.at $e.model.key $api) -}}
{{- end -}}
{{- if and $e.model.body.tls.existingSecret (ne $kind "gateway") -}}
{{- $errors = append $errors (printf "%s: the engine of %s speaks TLS, and kind %s sends plain HTTP; set kind: gateway with a BackendTLSPolicy in extraObjects, or end TLS before the engine" $e.at $e.model.key $kind) -}}
{{- end -}}
{{- $shares := 0 }}{{ range $e.own.variants }}{{ $shares = add $shares . }}{{ end -}}
{{- if and $e.own.variants (ne (int $shares) 100) -}}
{{- $errors = append $errors (printf "%s.variants: the weights sum to %d; set 100 in all" $e.at (int $shares)) -}}
{{- end -}}
{{- if and (eq $kind "inferencePool") (not (get $pools $e.model.key)) -}}
{{- $errors = append $errors (printf "routing.inferencePool.endpointPickers.%s: a routed model needs an endpoint picker of its own; set the name of its Service" $e.model.key) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (len $rule.entries) 1) (eq (len $unweighted) (len $rule.entries)) -}}
{{- range $e := rest $rule.entries -}}
{{- $errors = append $errors (printf "%s.prefix: %q is also the prefix of %s; set another one, for example /%s, or headers, or a weight for each" $e.at $rule.prefix $first.key $e.key) -}}
{{- end -}}
{{- else if gt $sum 0 -}}
{{- range $unweighted }}{{ $errors = append $errors (printf "%s.weight: %s share requests by weight; set one here too, 100 in all" .at (join ", " $keys)) }}{{ end -}}
{{- end -}}
{{- if and (not $unweighted) (ne (int $sum) 100) -}}
{{- $errors = append $errors (printf "%s: the weights of %s sum to %d; set 100 in all" $route.path (join ", " $keys) (int $sum)) -}}
{{- end -}}
{{- if and (gt (len $rule.entries) (len $unweighted)) (not $common) -}}
{{- $errors = append $errors (printf "%s: %s share requests, but no name that all of them serve; set the same servedNames" $route.path (join ", " $keys)) -}}
{{- end -}}
{{- if and (gt (len $rule.backends) 16) (has $kind (list "gateway" "inferencePool")) -}}
{{- $errors = append $errors (printf "%s: %d models and variants share requests, and an HTTPRoute has room for 16; set fewer" $route.path (len $rule.backends)) -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
