package load

import "errors"

// A Dialect is what a server is asked in.
type Dialect interface {
	// Open returns the client's half of a new connection, and what a client sends
	// before all else. The number tells connections apart: each begins at another
	// of the questions.
	Open(connection int) (session Session, preface []byte)
}

// A Session is the client's half of one connection. It belongs to one
// goroutine.
type Session interface {
	// Room says whether a request may be sent now.
	Room() bool
	// Ask appends the next request, which should have been sent at a time.
	Ask(dst []byte, intended int64) []byte
	// Hear takes what the server sent: it appends to dst what must be said to
	// that, calls done for each answer with the intended time of its request and
	// what was wrong with it, and returns how much of data it has dealt with. An
	// error is about the connection, which is of no use then.
	Hear(data, dst []byte, done func(intended int64, wrong error)) (used int, reply []byte, err error)
}

// errClosed is of a server that closed a connection during a measurement.
var errClosed = errors.New("the server closed the connection")
