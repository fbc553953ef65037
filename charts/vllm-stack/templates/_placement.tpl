{{/* Node selector, affinity and tolerations: the accelerator's own, then the user's. Of a shape, without antiAffinity. */}}
{{- define "vllm-stack.placement" -}}
{{- $a := .w.body.accelerator }}{{ $s := .w.body.scheduling }}{{ $affinity := $s.affinity | default dict -}}
{{- $selector := dict -}}
{{- if kindIs "slice" $a.product -}}
{{- if $a.product }}{{ $affinity = include "vllm-stack.productAffinity" . | fromYaml }}{{ end -}}
{{- else if $a.product }}{{ $_ := set $selector $a.productLabel $a.product }}{{ end -}}
{{- if $s.antiAffinity }}{{ $affinity = include "vllm-stack.antiAffinity" (dict "w" .w "affinity" $affinity) | fromYaml }}{{ end -}}
{{- range $label, $value := $s.nodeSelector }}{{ $_ := set $selector $label $value }}{{ end -}}
{{- with $selector }}
      nodeSelector: {{ toJson . }}
{{- end }}
{{- with $affinity }}
      affinity: {{ toJson . }}
{{- end }}
{{- if or $a.resource $s.tolerations }}
      tolerations:
        {{- with $a.resource }}
        - {key: {{ . }}, operator: Exists, effect: NoSchedule}
        {{- end }}
        {{- range $s.tolerations }}
        - {{ toJson . }}
        {{- end }}
{{- end }}
{{- end -}}

{{/* {root, w} -> how the pods of a workload spread over nodes and zones. Whose pods count is told by the hash of
their template, which has the labels of model and variant. */}}
{{- define "vllm-stack.spread" -}}
{{- $s := .w.body.scheduling }}{{ $spread := .w.spread -}}
{{- if or $spread $s.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- range $spread }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app.kubernetes.io/instance: {{ quote $.root.Release.Name }}}}
          matchLabelKeys: [{{ ternary "pod-template-hash" "controller-revision-hash" (eq $.w.kind "Deployment") }}]
        {{- end }}
        {{- range $s.topologySpreadConstraints }}
        - {{ hasKey . "labelSelector" | ternary . (set (deepCopy .) "labelSelector" (dict "matchLabels" ($.w.selector | fromYaml))) | toJson }}
        {{- end }}
{{- end }}
{{- end -}}

{{/* The user's affinity with one more condition in every required node term: the product is one of the list. */}}
{{- define "vllm-stack.productAffinity" -}}
{{- $a := .w.body.accelerator }}{{ $affinity := deepCopy (.w.body.scheduling.affinity | default dict) -}}
{{- $in := dict "key" $a.productLabel "operator" "In" "values" $a.product -}}
{{- $node := $affinity.nodeAffinity | default dict -}}
{{- $required := $node.requiredDuringSchedulingIgnoredDuringExecution | default dict -}}
{{- $terms := list -}}
{{- range $term := $required.nodeSelectorTerms | default (list dict) -}}
{{- $terms = append $terms (set $term "matchExpressions" (append ($term.matchExpressions | default list) $in)) -}}
{{- end -}}
{{- $required = dict "nodeSelectorTerms" $terms -}}
{{- $_ := set $affinity "nodeAffinity" (set $node "requiredDuringSchedulingIgnoredDuringExecution" $required) -}}
{{- toYaml $affinity -}}
{{- end -}}

{{/* {w, affinity} -> the affinity with one more term: no pod of this workload on the same node or in the same zone. */}}
{{- define "vllm-stack.antiAffinity" -}}
{{- $affinity := deepCopy .affinity }}{{ $anti := $affinity.podAntiAffinity | default dict -}}
{{- $key := ternary "topology.kubernetes.io/zone" "kubernetes.io/hostname" (eq .w.body.scheduling.antiAffinity "zone") -}}
{{- $term := dict "topologyKey" $key "labelSelector" (dict "matchLabels" (.w.selector | fromYaml)) -}}
{{- $terms := append ($anti.requiredDuringSchedulingIgnoredDuringExecution | default list) $term -}}
{{- $_ := set $affinity "podAntiAffinity" (set $anti "requiredDuringSchedulingIgnoredDuringExecution" $terms) -}}
{{- toYaml $affinity -}}
{{- end -}}
