package source_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

var (
	_ source.Dated     = (*memory)(nil)
	_ sourcetest.Store = (*memory)(nil)
)

// A memory is a source that can be made to fail as a store over a network does. Its
// documents are in a map, by a name; each change has a number, and so has the
// latest that a Load or an earlier Watch returned.
type memory struct {
	name string

	mu      sync.Mutex
	texts   map[string]string
	change  int
	known   int
	changed chan struct{} // closed, and made anew, by each change
	down    error
	ended   error
	inStep  time.Time
	created func(name string) time.Time // nil for never
}

func newMemory(name string) *memory {
	return &memory{name: name, texts: map[string]string{}, known: -1, changed: make(chan struct{})}
}

func (m *memory) String() string { return m.name }

// set changes anything about the memory, and lets a Watch look.
func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) Put(_ testing.TB, name, text string) {
	m.set(func() {
		if m.texts[name] != text {
			m.texts[name] = text
			m.change++
		}
	})
}

func (m *memory) Break(tb testing.TB, name string) {
	tb.Helper()
	m.Put(tb, name, broken)
}

func (m *memory) Delete(_ testing.TB, name string) {
	m.set(func() {
		delete(m.texts, name)
		m.change++
	})
}

// fail makes the memory unreachable, until it is failed with nil.
func (m *memory) fail(err error) { m.set(func() { m.down = err }) }

// end makes a Watch return an error.
func (m *memory) end(err error) { m.set(func() { m.ended = err }) }

func (m *memory) InStep() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inStep
}

func (m *memory) snapshot() source.Snapshot {
	s := source.Snapshot{Files: len(m.texts), Revision: int64(m.change)}
	for _, name := range slices.Sorted(maps.Keys(m.texts)) {
		docs, problems := document.Read(m.name+"/"+name, []byte(m.texts[name]))
		for i := range docs {
			if m.created != nil {
				docs[i].Created = m.created(name)
			}
		}
		s.Documents, s.Problems = append(s.Documents, docs...), append(s.Problems, problems...)
	}
	m.known = m.change
	return s
}

func (m *memory) Load(ctx context.Context) (source.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return source.Snapshot{}, fmt.Errorf("read the memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return source.Snapshot{}, m.down
	}
	return m.snapshot(), nil
}

func (m *memory) Watch(ctx context.Context, onChange func(source.Snapshot)) error {
	m.mu.Lock()
	last := m.known
	m.mu.Unlock()
	for {
		m.mu.Lock()
		changed, news := m.changed, m.down == nil && m.change != last
		var s source.Snapshot
		if news {
			s, last = m.snapshot(), m.change
		}
		ended := m.ended
		m.mu.Unlock()
		if ended != nil {
			return ended
		}
		if news && ctx.Err() == nil {
			onChange(s)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

var errDown = errors.New("the network is down")
