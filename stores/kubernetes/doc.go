// Package kubernetes is the tests of policies that are kept in a Kubernetes
// cluster, against a real API server.
package kubernetes
