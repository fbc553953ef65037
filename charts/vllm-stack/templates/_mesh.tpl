{{/*
Service meshes. The proxy is a native sidecar: it is there before the first container of the pod and until after the
last one, so a pod that drains still answers and a Job ends. Pods that talk to each other on ports that are chosen
while they start (groups, prefill and decode) are in the mesh with their HTTP port only; a worker without HTTP is not.
*/}}

{{/* {root, w} or {root} for a Job or test -> labels of the pod */}}
{{- define "vllm-stack.meshLabels" -}}
{{- if eq .root.Values.mesh "istio" }}
sidecar.istio.io/inject: {{ quote (not (.w | default dict).headless) }}
{{- end }}
{{- end -}}

{{/* {root, w} or {root} for a Job or test -> annotations of the pod */}}
{{- define "vllm-stack.meshAnnotations" -}}
{{- $w := .w | default dict }}{{ $mesh := .root.Values.mesh -}}
{{- if $w.name }}
kubectl.kubernetes.io/default-container: engine
{{- end }}
{{- if $w.headless }}
{{- if eq $mesh "linkerd" }}
linkerd.io/inject: disabled
{{- end }}
{{- else if eq $mesh "istio" }}
sidecar.istio.io/nativeSidecar: "true"
{{- if $w.podEnv }}
traffic.sidecar.istio.io/includeInboundPorts: {{ quote $w.engine.port }}
traffic.sidecar.istio.io/includeOutboundPorts: {{ quote $w.engine.port }}
traffic.sidecar.istio.io/includeOutboundIPRanges: ""
{{- end }}
{{- else }}
linkerd.io/inject: enabled
{{- /* Linkerd's name for it, until and from version 2.20. */}}
config.beta.linkerd.io/proxy-enable-native-sidecar: "true"
config.linkerd.io/proxy-enable-native-sidecar: "true"
{{- if $w.podEnv }}
{{- $others := printf "1-%d,%d-65535" (sub $w.engine.port 1) (add1 $w.engine.port) }}
config.linkerd.io/skip-inbound-ports: {{ $others }}
config.linkerd.io/skip-outbound-ports: {{ $others }}
{{- end }}
{{- end }}
{{- end -}}
