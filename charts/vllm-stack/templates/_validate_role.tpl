{{/* The rules of roles, and those between the workloads of a release, see _validate.tpl. */}}

{{/* {root, w}: a variant that prefills or decodes */}}
{{- define "vllm-stack.validateRole" -}}
{{- $w := .w -}}
{{- if not $w.engine.disaggregation -}}
{{- template "vllm-stack.error" (list . "role" (printf "%s is always a server here; set server, or engine: vllm" $w.body.engine)) -}}
{{- end -}}
{{- $connector := $w.body.disaggregation.connector | default "NixlConnector" }}{{ $pipeline := int $w.body.parallelism.pipeline -}}
{{- range $flag := list "kv-transfer-config" "kv-offloading-size" -}}
{{- if hasKey $w.body.args $flag -}}
{{- template "vllm-stack.error" (list $ (print "args." $flag) (printf "the role %s sets the connector; set disaggregation, or role: server" $w.role)) -}}
{{- end -}}
{{- end -}}
{{- if and (gt $pipeline 1) (or (ne $connector "NixlPushConnector") (eq $w.role "decode")) -}}
{{- template "vllm-stack.error" (list . "parallelism.pipeline" (printf "%s hands over no cache of %s with pipeline > 1; set 1 and more tensor%s" $connector $w.role (ternary ", or connector: NixlPushConnector" "" (eq $w.role "prefill")))) -}}
{{- end -}}
{{- if hasKey ($w.body.podLabels | default dict) "llm-d.ai/role" -}}
{{- template "vllm-stack.error" (list . "podLabels.llm-d.ai/role" "role sets it; remove it") -}}
{{- end -}}
{{- end -}}

{{/* root -> JSON list of what is wrong between workloads: roles of one model, and Services that would be one */}}
{{- define "vllm-stack.groupErrors" -}}
{{- $errors := list }}{{ $services := dict -}}
{{- range $m := .resolved.models -}}
{{- $_ := set $services $m.name (print "models." $m.key) -}}
{{- $roles := dict }}{{ range $m.workloads }}{{ $_ := set $roles .role .path }}{{ end -}}
{{- if or (hasKey $roles "prefill") (hasKey $roles "decode") -}}
{{- $_ := set $m "disaggregated" true -}}
{{- with $roles.server -}}
{{- $errors = append $errors (print . ".role: a model whose variants prefill and decode has no servers, its Service leads to decode; set prefill or decode, or enabled: false") -}}
{{- end -}}
{{- range $role, $other := dict "prefill" "decode" "decode" "prefill" -}}
{{- if and (hasKey $roles $role) (not (hasKey $roles $other)) -}}
{{- $errors = append $errors (printf "%s.role: no variant of models.%s has the role %s; add one" (get $roles $role) $m.key $other) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $w := .resolved.workloads -}}
{{- with $w.ownService -}}
{{- if hasKey $services . -}}
{{- $errors = append $errors (printf "%s: the Service %s of its pods has the name of that of %s; rename one of them" $w.path . (get $services .)) -}}
{{- end -}}
{{- $_ := set $services . $w.path -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
