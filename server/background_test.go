package server

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// threadNiceness is how nice the calling thread is, by what Linux says of it.
func threadNiceness(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		t.Skipf("no account of threads here: %v", err)
	}
	// The name, in brackets, may hold spaces; niceness is the 19th field of all.
	_, rest, _ := strings.Cut(string(data), ") ")
	nice, err := strconv.Atoi(strings.Fields(rest)[16])
	if err != nil {
		t.Fatal(err)
	}
	return nice
}

// What runs in the background stands back, and leaves every other thread as it was.
func TestInBackground(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("a priority is that of a whole process here")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, inside := threadNiceness(t), 0
	inBackground(func() { inside = threadNiceness(t) })
	if want := min(before+5, 19); inside != want {
		t.Errorf("niceness %d in the background, want %d", inside, want)
	}
	if after := threadNiceness(t); after != before {
		t.Errorf("niceness %d of the thread that waited, was %d", after, before)
	}
	done := make(chan int)
	for range 64 { // on whatever threads there are now
		go func() { done <- threadNiceness(t) }()
	}
	for range 64 {
		if nice := <-done; nice != before {
			t.Errorf("niceness %d of a thread that only ran later, want %d", nice, before)
		}
	}
}
