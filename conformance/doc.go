// Package conformance attacks the listener for Envoy of the real program, from
// outside: by the cases of h2spec, by what RFC 9113 (HTTP/2), RFC 7541 (HPACK) and
// gRPC's mapping to HTTP/2 ask beyond them, and by floods. It is a module of its
// own, so that who uses corsgate does not fetch what only its tests need.
package conformance
