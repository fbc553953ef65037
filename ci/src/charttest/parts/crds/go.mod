// Modules that are read for their CRD files and never compiled.
// No Go code imports them, so `go mod tidy` would drop them:
// change a version with `go mod edit -require MODULE@VERSION && go mod download MODULE`.
module charttest/parts/crds

go 1.26.0

require (
	github.com/kedacore/keda/v2 v2.21.0
	sigs.k8s.io/gateway-api v1.4.0
)
