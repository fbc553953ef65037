{{/* What the controller asks the API server for, by version; docs/wva.md says why for each. */}}

{{/* root -> rules for what has a namespace */}}
{{- define "wva.namespacedRules" -}}
{{- $new := .resolved.annotations -}}
- {apiGroups: [""], resources: [configmaps, pods], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [services], verbs: [list, watch]}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments/scale], verbs: [get, update]}
- {apiGroups: [apps], resources: [replicasets, statefulsets], verbs: {{ ternary "[get]" "[list, watch]" $new }}}
- {apiGroups: [leaderworkerset.x-k8s.io], resources: [leaderworkersets], verbs: [get, list, watch]}
- {apiGroups: [leaderworkerset.x-k8s.io], resources: [leaderworkersets/scale], verbs: [get, update]}
- {apiGroups: [{{ .resolved.values.poolGroup | default "inference.networking.k8s.io" }}], resources: [inferencepools], verbs: [list, watch]}
{{- if $new }}
- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list, watch]}
- {apiGroups: [keda.sh], resources: [scaledobjects], verbs: [list, watch]}
{{- else }}
- {apiGroups: [llmd.ai], resources: [variantautoscalings], verbs: [list, watch]}
- {apiGroups: [llmd.ai], resources: [variantautoscalings/status], verbs: [patch]}
- {apiGroups: [monitoring.coreos.com], resources: [servicemonitors], verbs: [list, watch]}
{{- end }}
{{- end -}}

{{/* root -> rules for what has none; nothing when there are none */}}
{{- define "wva.clusterRules" -}}
{{- if not .resolved.watched }}
- {apiGroups: [""], resources: [namespaces], verbs: {{ ternary "[get, list]" "[get, list, watch]" .resolved.annotations }}}
{{- end }}
{{- if .resolved.countsGpus }}
- {apiGroups: [""], resources: [nodes], verbs: [list, watch]}
{{- end }}
{{- if .resolved.secure }}
- {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}
- {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
{{- end }}
{{- end -}}

{{/* root -> rules for the namespace of the release, beside those above; nothing when there are none */}}
{{- define "wva.ownRules" -}}
{{- if .resolved.leads }}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [{{ .resolved.name }}], verbs: [get, update]}
{{- end }}
{{- if and .resolved.watched (ne .resolved.watched .Release.Namespace) }}
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
{{- end }}
{{- end -}}
