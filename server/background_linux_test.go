package server

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What runs in the background asks for a long slice, so that whoever wakes need not
// wait for its end.
func TestSliceInBackground(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := sliceOfThread(t)
	if before == 0 {
		t.Log("this Linux is older than 6.12 and knows no slices of threads")
	}
	var inside time.Duration
	inBackground(func() { inside = sliceOfThread(t) })
	if before != 0 && inside != 100*time.Millisecond {
		t.Errorf("a slice of %s in the background, want 100ms", inside)
	}
	if after := sliceOfThread(t); after != before {
		t.Errorf("a slice of %s of the thread that waited, was %s", after, before)
	}
}

// sliceOfThread is what the calling thread asks for.
func sliceOfThread(t *testing.T) time.Duration {
	t.Helper()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(attr.Runtime)
}
