{{/* The rules of engines and accelerators, see _validate.tpl. */}}

{{/* {root, w} of a shape */}}
{{- define "vllm-stack.validateEngine" -}}
{{- $w := .w }}{{ $body := $w.body }}{{ $a := $body.accelerator }}{{ $resource := $a.resource | default "" -}}
{{- if eq ($body.engine | default "vllm") "custom" -}}
{{- if not (or $body.image.repository) -}}
{{- template "vllm-stack.error" (list . "image.repository" "engine custom has no image of its own; set it, and image.tag or image.digest") -}}
{{- else if not (or $body.image.tag $body.image.digest) -}}
{{- template "vllm-stack.error" (list . "image.tag" "engine custom has no tag of its own; set it, or image.digest") -}}
{{- end -}}
{{- else if ne (toJson $body.custom) .root.resolved.customDefault -}}
{{- template "vllm-stack.error" (list . "custom" (printf "only engine custom reads it, this is %s; remove it, or set engine: custom" $body.engine)) -}}
{{- end -}}
{{- if and (hasSuffix ".shared" $resource) (gt (int $w.gpus) 1) -}}
{{- template "vllm-stack.error" (list . "accelerator.resource" (printf "%d shares of %s may be one and the same GPU; set parallelism to one GPU, or a whole GPU as resource" (int $w.gpus) $resource)) -}}
{{- end -}}
{{- range $product := ternary (list $a.product) $a.product (kindIs "string" $a.product) -}}
{{- if contains " " $product -}}
{{- template "vllm-stack.error" (list $ "accelerator.product" (printf "%q has spaces, and no node label has them; set it as the label says it, for example %s" $product (replace " " "-" $product))) -}}
{{- end -}}
{{- end -}}
{{- range $part := list "requests" "limits" -}}
{{- if and $resource (hasKey (index $body.resources $part | default dict) $resource) -}}
{{- template "vllm-stack.error" (list $ (print "resources." $part "." $resource) (printf "the chart asks for the accelerator itself, %d for each pod by parallelism; remove it, and set parallelism" (int $w.gpus))) -}}
{{- end -}}
{{- end -}}
{{- with $a.claims }}{{ template "vllm-stack.validateClaims" $ }}{{ end -}}
{{- end -}}

{{/* {root, w} of a shape */}}
{{- define "vllm-stack.validateClaims" -}}
{{- $a := .w.body.accelerator }}{{ $names := list -}}
{{- if not (semverCompare ">=1.34.0-0" .root.Capabilities.KubeVersion.Version) -}}
{{- template "vllm-stack.error" (list . "accelerator.claims" (printf "needs resource.k8s.io/v1, which Kubernetes has from 1.34, and this is %s; set accelerator.resource instead" .root.Capabilities.KubeVersion.Version)) -}}
{{- end -}}
{{- if $a.resource -}}
{{- template "vllm-stack.error" (list . "accelerator.resource" (printf "the claims ask for the devices already, %s would be a second set; set \"\"" $a.resource)) -}}
{{- end -}}
{{- if $a.product -}}
{{- template "vllm-stack.error" (list . "accelerator.product" "a claim chooses its device by selectors, not by node labels; remove it, and set accelerator.claims[].selectors") -}}
{{- end -}}
{{- range $i, $claim := $a.claims -}}
{{- $from := keys (pick $claim "deviceClassName" "resourceClaimName" "resourceClaimTemplateName") -}}
{{- if ne (len $from) 1 -}}
{{- template "vllm-stack.error" (list $ (printf "accelerator.claims[%d]" $i) (printf "has %d sources; set one of deviceClassName, resourceClaimTemplateName and resourceClaimName" (len $from))) -}}
{{- end -}}
{{- if and $claim.resourceClaimName (gt (int $.w.replicas) 1) -}}
{{- template "vllm-stack.error" (list $ (printf "accelerator.claims[%d].resourceClaimName" $i) (printf "%d pods would share one claim; set deviceClassName or resourceClaimTemplateName" (int $.w.replicas))) -}}
{{- end -}}
{{- if has $claim.name $names -}}
{{- template "vllm-stack.error" (list $ (printf "accelerator.claims[%d].name" $i) (printf "%s is already the name of another claim; rename it" $claim.name)) -}}
{{- end -}}
{{- $names = append $names $claim.name -}}
{{- end -}}
{{- end -}}
