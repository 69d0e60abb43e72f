package server

import "syscall"

const (
	// niceness is how much further back than the others a thread in the background
	// stands: one that serves has three times its weight, and runs at once when it
	// wakes. More would be too much: where all processors are busy, a thread that
	// waits for its turn holds up what all threads of a program must agree on, such
	// as the beginning of a garbage collection.
	niceness = 5
	// rawZero is what Linux itself calls a niceness of zero; it counts backwards.
	rawZero = 20
)

// giveWay lowers the priority of the calling thread, which is what Linux takes the
// process with the number zero for. Where it cannot be lowered, it stays.
func giveWay() {
	if raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, rawZero-raw+niceness)
	}
}
