// Package policyservice answers the calls of corsgate.v1.PolicyService: over gRPC,
// gRPC-Web and as JSON over HTTP, which connect-go makes of one handler.
//
// It is who asks whether a caller may, whether what a change would make of all
// policies is good, and what it would mean, before a store makes it. It keeps
// nothing itself: each answer is of the store's newest state, or of the policies
// in force in this process.
package policyservice
