package source

import (
	"sync"
	"weak"
)

// A buffer lends the memory of the last large file to the next one: a file of a million
// origins takes tens of megabytes, and as many of garbage each time that it changes
// otherwise. It does not keep it from the collector of garbage, so that a file that
// nobody changes costs nothing.
type buffer struct {
	mu   sync.Mutex
	last weak.Pointer[[]byte]
}

// large is the size of a file whose memory is worth lending.
const large = 1 << 20

// roomToGrow is the part of a file's size by which it may grow within its memory.
const roomToGrow = 16

// take returns memory of a length, whose content is anything.
func (b *buffer) take(size int) []byte {
	if size < large {
		return make([]byte, size)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.last.Value(); last != nil && cap(*last) >= size {
		b.last = weak.Pointer[[]byte]{}
		return (*last)[:size]
	}
	return make([]byte, size, size+size/roomToGrow)
}

// giveBack takes back memory that nobody refers to any more.
func (b *buffer) giveBack(data []byte) {
	if cap(data) < large {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = weak.Make(&data)
}
