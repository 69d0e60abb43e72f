package server

import "testing"

// A collection comes between two sets where it would begin while the next is made,
// and after a few sets in any case.
func TestHeapIsDue(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for _, test := range []struct {
		name string
		heap heap
		made uint64
		due  bool
	}{
		{"small changes are the runtime's business", heap{taken: 594 * mb, live: 73 * mb, goal: 594 * mb}, 15 * mb, false},
		{"room for two more", heap{taken: 184 * mb, live: 73 * mb, goal: 594 * mb}, 73 * mb, false},
		{"room for one more, to the last of it", heap{taken: 364 * mb, live: 73 * mb, goal: 594 * mb}, 73 * mb, true},
		{"a little less is none", heap{taken: 290 * mb, live: 73 * mb, goal: 473 * mb}, 73 * mb, true},
		{"the goal is near, since memory is limited", heap{taken: 150 * mb, live: 73 * mb, goal: 180 * mb}, 73 * mb, true},
		{"the goal lies below what lives, since memory is short", heap{taken: 150 * mb, live: 73 * mb, goal: 60 * mb}, 73 * mb, true},
		{"a collection while a set was made took its garbage for live", heap{taken: 430 * mb, live: 206 * mb, goal: 1650 * mb}, 73 * mb, true},
		{"the same, two sets later", heap{taken: 350 * mb, live: 206 * mb, goal: 1650 * mb}, 73 * mb, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if due := test.heap.isDue(test.made); due != test.due {
				t.Errorf("isDue is %t, want %t", due, test.due)
			}
		})
	}
}

// What the runtime says is there, and makes sense.
func TestReadHeap(t *testing.T) {
	t.Parallel()
	h := readHeap()
	if h.allocated < h.taken || h.taken == 0 || h.goal == 0 {
		t.Errorf("the runtime says %+v", h)
	}
}
