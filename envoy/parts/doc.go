// Package parts gets and runs the real programs that the end-to-end tests, the
// benchmarks and the demo are made of: Envoy, and corsgate itself.
//
// Nothing here skips in silence. A part that cannot be had is an error that
// says what to install or which variable to set.
package parts
