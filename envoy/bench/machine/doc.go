// Package machine is what a benchmark asks of the operating system: what a
// process has cost so far, on which cores it may run, and a wait that is exact.
// It needs Linux; elsewhere everything fails with [ErrUnsupported].
package machine

import "errors"

// ErrUnsupported is returned on machines other than Linux.
var ErrUnsupported = errors.New("this benchmark reads Linux's accounting of processes, and needs Linux")

// AnyCore says that a thread or process may run on every core.
const AnyCore = -1

// Wake says why a wait for connections is over, for one of them.
type Wake struct {
	// FD is the connection's file descriptor.
	FD int32
	// Write asks to be woken when the connection takes data again as well.
	Write bool
	// Readable and Writable say what it may do now. A connection that failed is
	// readable: reading says how.
	Readable, Writable bool
}
