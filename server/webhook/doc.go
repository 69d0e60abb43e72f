// Package webhook judges policies before a Kubernetes cluster takes them: it is a
// validating admission webhook, which `kubectl apply` asks by way of the API server.
// What it says is what `corsgate validate` says of a file, and it is said of the
// change in the place that it would have among all that is in force.
package webhook
