package server

import "runtime"

// inBackground runs f and waits for it. Reading and compiling a million origins
// takes a third of a second of a processor's time, for which nobody waits, and
// callers of Check do wait; so f gets a thread of its own that gives way to the
// others. What f leaves to other goroutines does not.
func inBackground(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It is never unlocked: the thread ends with the goroutine, and what was done
		// to it with both.
		runtime.LockOSThread()
		giveWay()
		f()
	}()
	<-done
}
