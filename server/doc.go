// Package server is what Envoy talks to: it answers
// envoy.service.auth.v3.Authorization/Check from a compiled policy set, and
// shows people what it is doing on an admin listener.
//
// It only translates. A CheckRequest becomes a [policy.Request], the set that
// is live decides, and the [policy.Decision] becomes a CheckResponse; no CORS
// rule lives here. Where translating fails, the answer is a gRPC error, which
// Envoy counts as one and treats by its failure_mode_allow: never an allow that
// nobody decided.
package server
