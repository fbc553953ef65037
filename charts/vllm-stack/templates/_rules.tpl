{{/*
Recording rules and alerts of files/rules, for the models of one release. [[name]] in a file is filled in by
`ruleContext`, see _rule_context.tpl; a rule that asks for what the release has not (an engine's series, a scaler, an
exporter) is left out.
*/}}

{{/* {text, with} -> the text with what is in `with` filled in */}}
{{- define "vllm-stack.fill" -}}
{{- $text := .text }}{{ range $key, $value := .with }}{{ $text = replace (print "[[" $key "]]") (toString $value) $text }}{{ end }}{{ $text -}}
{{- end -}}

{{/* {root, context} -> YAML list: the recording rules over engines' series, one part for each engine */}}
{{- define "vllm-stack.engineRules" -}}
{{- $file := include "vllm-stack.fill" (dict "text" (.root.Files.Get "files/rules/engines.yaml") "with" .context.common) -}}
{{- $scope := include "vllm-stack.ruleScope" .root }}{{ $found := dict }}{{ $order := list -}}
{{- range $engine, $series := .context.engines -}}
{{- range $rule := include "vllm-stack.fill" (dict "text" $file "with" (set $series "scope" $scope)) | fromYamlArray -}}
{{- if not (contains "[[" $rule.expr) -}}
{{- $one := get $found $rule.record | default (dict "record" $rule.record "join" $rule.join "parts" dict) -}}
{{- $_ := set $one.parts $engine $rule.expr }}{{ $_ := set $found $rule.record $one -}}
{{- end -}}
{{- $order = append $order $rule.record -}}
{{- end -}}
{{- end -}}
{{- $rules := list -}}
{{- range uniq $order }}{{ with get $found . }}{{ $rules = append $rules (dict "record" .record "expr" (include "vllm-stack.joinedParts" (dict "one" . "by" $.context.common.by))) }}{{ end }}{{ end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/*
{one, by} -> the expression over every engine's part. Two parts about one model have the same labels, so that `or` alone
would drop all but the first.
*/}}
{{- define "vllm-stack.joinedParts" -}}
{{- if eq (len .one.parts) 1 -}}
{{- values .one.parts | first -}}
{{- else -}}
{{- $marked := list }}{{ range $engine, $expr := .one.parts }}{{ $marked = append $marked (printf "label_replace(%s, \"part\", %q, \"\", \"\")" $expr $engine) }}{{ end -}}
{{- printf "%s by (%s) (\n  %s\n)" (required (print "files/rules/engines.yaml: join of " .one.record) .one.join) .by (join "\n  or " $marked) -}}
{{- end -}}
{{- end -}}

{{/* {root, context, file} -> YAML list: the rules of a file over recorded series, those that this release can have */}}
{{- define "vllm-stack.fileRules" -}}
{{- $root := .root }}{{ $has := .context.has }}{{ $given := $root.Values.monitoring.rules }}{{ $rules := list -}}
{{- $scope := include "vllm-stack.ruleScope" $root -}}
{{- range $rule := include "vllm-stack.fill" (dict "text" (.root.Files.Get (print "files/rules/" .file ".yaml")) "with" .context.common) | fromYamlArray -}}
{{- $missing := false }}{{ range $rule.needs }}{{ if not (hasKey $has .) }}{{ $missing = true }}{{ end }}{{ end -}}
{{- $cases := list (dict "scope" $scope) -}}
{{- with $rule.threshold }}{{ $cases = include "vllm-stack.thresholds" (dict "rules" $given "key" . "scope" $scope) | fromJsonArray }}{{ end -}}
{{- range $case := ternary list $cases $missing -}}
{{- $made := include "vllm-stack.fill" (dict "text" (omit $rule "needs" "threshold" | toYaml) "with" $case) | fromYaml -}}
{{- if not (contains "[[" $made.expr) -}}
{{- if $made.alert }}{{ $made = include "vllm-stack.alert" (dict "root" $root "rule" $made "model" $case.model) | fromYaml }}{{ end -}}
{{- $rules = append $rules $made -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/* {rules, key, scope} -> JSON list of {scope, threshold}: the release's own for every model but those that have another */}}
{{- define "vllm-stack.thresholds" -}}
{{- $cases := list }}{{ $others := list -}}
{{- range $model, $own := .rules.models -}}
{{- if hasKey ($own | default dict) $.key -}}
{{- $others = append $others $model -}}
{{- $value := get $own $.key -}}
{{- if not (kindIs "invalid" $value) }}{{ $cases = append $cases (dict "scope" (printf "%s,model=%q" $.scope $model) "model" $model "threshold" (include "vllm-stack.scalar" $value)) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $scope := .scope }}{{ with $others }}{{ $scope = printf "%s,model!~%q" $scope (join "|" .) }}{{ end -}}
{{- $value := get (.rules.thresholds | default dict) .key -}}
{{- if and (hasKey (.rules.thresholds | default dict) .key) (not (kindIs "invalid" $value)) -}}
{{- $cases = prepend $cases (dict "scope" $scope "threshold" (include "vllm-stack.scalar" $value)) -}}
{{- end -}}
{{- toJson $cases -}}
{{- end -}}

{{/* {root, rule, model} -> the alert as Prometheus takes it; two of one name differ in a label, kind or model */}}
{{- define "vllm-stack.alert" -}}
{{- $rules := .root.Values.monitoring.rules }}{{ $rule := .rule -}}
{{- $labels := merge (dict "severity" $rule.severity "namespace" .root.Release.Namespace "release" .root.Release.Name) (deepCopy ($rules.alertLabels | default dict)) -}}
{{- with .model }}{{ $_ := set $labels "model" . }}{{ end }}{{ with $rule.kind }}{{ $_ := set $labels "kind" . }}{{ end -}}
{{- $for := get ($rules.for | default dict) $rule.alert | default $rule.for -}}
{{- $annotations := dict "summary" $rule.summary "description" (replace "[[for]]" (toString $for) $rule.description) "runbook_url" (printf "%s/%s.md" (trimSuffix "/" $rules.runbooks) $rule.alert) -}}
{{- $timing := dict }}{{ with $for }}{{ $timing = dict "for" . }}{{ end -}}
{{- merge (pick $rule "alert" "expr") $timing (dict "labels" $labels "annotations" $annotations) | toYaml -}}
{{- end -}}

{{/* root -> the labels by which all series of the release are chosen */}}
{{- define "vllm-stack.ruleScope" -}}
namespace={{ quote .Release.Namespace }},release={{ quote .Release.Name }}
{{- end -}}
