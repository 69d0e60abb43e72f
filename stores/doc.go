// Package stores is the tests on real stores of policies: an etcd, three of
// them, a Kubernetes API server, and a fleet of corsgate before them. It is a
// module of its own, so that who uses corsgate does not fetch what only its tests
// need.
package stores
