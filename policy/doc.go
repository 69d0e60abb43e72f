// Package policy decides CORS: which origin may do what with which part of an
// API.
//
// Data goes one way. Documents are compiled once, by [Compile], into an
// immutable [Set]; [Set.Decide] weighs one [Request] against it and returns a
// [Decision], which says what the proxy must do and which headers it must send.
//
// The package is pure. It reads no file, opens no socket, looks at no clock and
// keeps no state, and it knows neither gRPC nor Envoy: any transport can fill a
// Request and carry out a Decision.
//
// The rules are those of the Fetch standard (https://fetch.spec.whatwg.org),
// section "HTTP-CORS protocol", made stricter where a gate can be: an origin
// that may not call is refused before it reaches the service.
package policy
