package server

import (
	"runtime"
	runtimemetrics "runtime/metrics"
)

// A tidier collects garbage between two sets rather than while one is made. A large
// set leaves much of it behind: the one that was before, and what making it took. A
// collection begins when there is enough; should that be while the next set is made,
// then what is left of the processors for calls of Check is less than one, and some
// take milliseconds.
type tidier struct {
	// allocated is how many bytes had been allocated when the set before came into
	// force.
	allocated uint64
}

// heap is what the runtime says of itself, in bytes.
type heap struct {
	allocated uint64 // ever
	taken     uint64 // by all objects, garbage too
	live      uint64 // what the last collection left
	goal      uint64 // where taken may be when the next one ends
}

// soonest is how much of the way from live to goal is left to whoever allocates, in
// tenths: before that the runtime begins no collection (minTriggerRatioDistance in
// runtime/mgcpacer.go).
const soonest = 7

// isFull reports whether a collection may begin before as much is allocated again.
func (h *heap) isFull(again uint64) bool {
	room := (max(h.goal, h.live) - h.live) / 10 * soonest
	return h.garbage()+again > room
}

// garbage is at the most what was allocated since the last collection.
func (h *heap) garbage() uint64 { return max(h.taken, h.live) - h.live }

const (
	// much is what a set must take for its garbage to be collected early. A change of
	// one policy among thousands takes far less.
	much = 16 << 20
	// setsKept is the garbage of how many sets of one size is left: a collection takes
	// some ten milliseconds of all processors, and memory that is not used costs nothing
	// but itself.
	setsKept = 3
)

// replaced is told that a set has come into force in place of another, and collects
// what the next one of its size would find no room for.
func (t *tidier) replaced() {
	h := readHeap()
	if h.isDue(h.allocated - t.allocated) {
		runtime.GC()
	}
	t.allocated = h.allocated
}

// isDue reports whether to collect after a set that took so many bytes.
func (h *heap) isDue(made uint64) bool {
	return made >= much && (h.isFull(made) || h.garbage() > setsKept*made)
}

// first is told that the first set has come into force, when nobody has called yet.
func (t *tidier) first() { t.allocated = readHeap().allocated }

func readHeap() heap {
	samples := [...]runtimemetrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/goal:bytes"},
	}
	runtimemetrics.Read(samples[:])
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heap{allocated: value(0), taken: value(1), live: value(2), goal: value(3)}
}
