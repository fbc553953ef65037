{{/* What a user adds to the pod, see `extraVolumes` and its neighbours in values.yaml. */}}

{{/* {root, w} -> w.volumes, w.mounts, w.containers and w.initContainers with the user's, and what clashes. */}}
{{- define "vllm-stack.extension" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $seen := dict -}}
{{/* Where the user's containers write is not known here. */}}
{{- $unprivileged := omit (include "vllm-stack.restricted" . | fromYaml) "readOnlyRootFilesystem" -}}
{{- range $key, $part := dict "extraContainers" "containers" "initContainers" "initContainers" -}}
{{- range $container := get $body $key -}}
{{- $name := $container.name -}}
{{- if or (eq $name "engine") (hasKey $seen $name) -}}
{{- template "vllm-stack.error" (list $ $key (printf "the name %s is taken by %s; set another name" $name (get $seen $name | default "the engine's container"))) -}}
{{- end -}}
{{- $_ := set $seen $name (print "another of " $key) -}}
{{- $context := mergeOverwrite (deepCopy $unprivileged) (deepCopy ($container.securityContext | default dict)) -}}
{{- $_ := set $w $part (append (get $w $part) (set (omit $container "securityContext") "securityContext" $context)) -}}
{{- end -}}
{{- end -}}
{{- $volumes := dict "cache" true "tmp" true "shm" true "models" true "config" true }}{{ $own := keys $volumes -}}
{{- range $w.volumes }}{{ $_ := set $volumes .name true }}{{ $own = append $own .name }}{{ end -}}
{{- range $body.extraVolumes -}}
{{- if hasKey $volumes .name -}}
{{- template "vllm-stack.error" (list $ "extraVolumes" (printf "the name %s is taken%s; set another name" .name (ternary " by the chart" "" (has .name $own)))) -}}
{{- end -}}
{{- $_ := set $volumes .name true -}}
{{- end -}}
{{- $paths := dict ($body.cache.mountPath | default "/cache" | trimSuffix "/") true "/tmp" true "/dev/shm" true "/models" true "/etc/vllm-stack" true -}}
{{- range $w.mounts }}{{ $_ := set $paths .mountPath true }}{{ end -}}
{{- range $body.extraVolumeMounts -}}
{{- $path := trimSuffix "/" .mountPath -}}
{{- if hasKey $paths $path -}}
{{- template "vllm-stack.error" (list $ "extraVolumeMounts" (print .mountPath " is taken; set a folder of its own")) -}}
{{- end -}}
{{- $_ := set $paths $path true -}}
{{- if not (hasKey $volumes .name) -}}
{{- template "vllm-stack.error" (list $ "extraVolumeMounts" (printf "%s is no volume of the pod; add it to extraVolumes" .name)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $w "volumes" (concat $w.volumes ($body.extraVolumes | default list)) -}}
{{- $_ := set $w "mounts" (concat $w.mounts ($body.extraVolumeMounts | default list)) -}}
{{- $fields := include "vllm-stack.podFields" . | fromYaml -}}
{{- range $field, $_ := $body.podSpec -}}
{{- with get $fields $field }}{{ template "vllm-stack.error" (list $ (print "podSpec." $field) (print "the chart sets this field; " .)) }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The fields of a pod spec that the chart sets, each with the key to use instead. */}}
{{- define "vllm-stack.podFields" -}}
affinity: set scheduling.affinity
automountServiceAccountToken: give the container that needs a token a projected volume with extraVolumes
containers: set extraContainers
enableServiceLinks: remove it, the variables of Services break vLLM
imagePullSecrets: set image.pullSecrets
initContainers: set initContainers
nodeSelector: set scheduling.nodeSelector
priorityClassName: set scheduling.priorityClassName
restartPolicy: remove it, a workload restarts its pods
runtimeClassName: set scheduling.runtimeClassName
schedulerName: set scheduling.schedulerName
securityContext: set podSecurityContext
serviceAccountName: set serviceAccount.name
terminationGracePeriodSeconds: set shutdown.drainSeconds
tolerations: set scheduling.tolerations
topologySpreadConstraints: set scheduling.topologySpreadConstraints
volumes: set extraVolumes
{{- end -}}
