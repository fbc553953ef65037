// Modules that are read for their CRD files and never compiled.
// No Go code imports them, so `go mod tidy` would drop them:
// change a version with `go mod edit -require MODULE@VERSION && go mod download MODULE`.
module charttest/parts/crds

go 1.26.0

require (
	github.com/traefik/traefik/v3 v3.6.0
	istio.io/api v1.28.0
	sigs.k8s.io/gateway-api v1.4.0
	sigs.k8s.io/gateway-api-inference-extension v1.5.0
)
