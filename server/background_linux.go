package server

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// niceness is how much further back than the others a thread in the background
	// stands: one that serves has three times its weight. More would be too much:
	// where all processors are busy, a thread that waits for its turn holds up what
	// all threads of a program must agree on, such as the beginning of a garbage
	// collection.
	niceness = 5
	// slice is for how long a thread in the background would like to run at a time.
	// It is the longest that Linux takes. It gets no more by it, but a thread with a
	// shorter slice, which is any other, then runs at once when it wakes; otherwise
	// Linux, since 6.6, lets whoever runs finish the slice, and looks for its end only
	// at a tick, which may be 4 ms away. Before 6.12 it makes no difference.
	slice = 100 * time.Millisecond
	// lowest is the niceness beyond which there is none.
	lowest = 19
)

// giveWay lets the calling thread stand back, which is what Linux takes the process
// with the number zero for. Where it may not, all stays as it is.
func giveWay() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL && attr.Policy != unix.SCHED_BATCH {
		return // whoever chose another policy for corsgate knows better
	}
	attr.Nice = min(attr.Nice+niceness, lowest)
	attr.Runtime = uint64(slice)
	_ = unix.SchedSetAttr(0, attr, 0)
}
