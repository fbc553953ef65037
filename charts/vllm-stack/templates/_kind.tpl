{{/* Which kind of workload a body becomes, and the names and claims that only some kinds have. */}}

{{/* {root, w} -> adds kind, and with it another name: a controller derives longer names from it, and a
LeaderWorkerSet makes a Service of its own name, which must not be the model's. */}}
{{- define "vllm-stack.deriveKind" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $own := eq $body.cache.type "perReplica" -}}
{{- $kinds := dict "deployment" "Deployment" "statefulset" "StatefulSet" "leaderworkerset" "LeaderWorkerSet" -}}
{{- $fitting := ternary "LeaderWorkerSet" (ternary "StatefulSet" "Deployment" $own) (gt $w.nodes 1) -}}
{{- $kind := get $kinds ($body.workload | default "auto") | default $fitting -}}
{{- $_ := set $w "kind" $kind -}}
{{- $_ := set .root.resolved "groups" true -}}
{{- $_ := set $w "ownClaims" (and $own (ne $kind "Deployment")) -}}
{{- $full := print .root.Release.Name "-" $w.model (eq $w.variant "main" | ternary "" (print "-" $w.variant)) -}}
{{- if eq $kind "LeaderWorkerSet" -}}
{{- $_ := set $w "name" (include "vllm-stack.name" (dict "full" (print $full "-lws") "limit" 49)) -}}
{{- $_ := set $w "ownService" $w.name -}}
{{- else if eq $kind "StatefulSet" -}}
{{- $_ := set $w "name" (include "vllm-stack.name" (dict "full" $full "limit" 52)) -}}
{{- $_ := set $w "ownService" (include "vllm-stack.name" (dict "full" (print $full "-pods") "limit" 63)) -}}
{{- end -}}
{{- end -}}

{{/* {w} -> the claim that every pod of a StatefulSet or LeaderWorkerSet gets, and what becomes of it. Its labels
are those of the selector: they can never change, as nothing in a claim template can. */}}
{{- define "vllm-stack.ownClaims" -}}
{{- $cache := .w.body.cache }}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: cache
      labels:
        {{- .w.selector | nindent 8 }}
    spec:
      accessModes: {{ toJson ($cache.accessModes | default (list "ReadWriteOnce")) }}
      {{- if hasKey $cache "storageClassName" }}
      storageClassName: {{ quote $cache.storageClassName }}
      {{- end }}
      resources:
        requests:
          storage: {{ include "vllm-stack.scalar" ($cache.size | default "") | quote }}
{{- with pick ($cache.retention | default dict) "whenDeleted" "whenScaled" }}
persistentVolumeClaimRetentionPolicy: {{ toJson . }}
{{- end }}
{{- end -}}
