package policyservice_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy/store"
)

// memory is a store that forgets everything with the test, and that a test can
// disturb. Whether a real store does the same, module stores finds out.
type memory struct {
	mu      sync.Mutex
	head    *store.State
	entries []store.Entry // the oldest first
	changed chan struct{} // closed with each change
	// before, unless nil, is called with each Commit before anything is done. Its
	// error is what Commit returns.
	before func() error
	// down, unless nil, is what every call returns.
	down error
}

var _ store.Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{head: store.New("memory"), changed: make(chan struct{})}
}

func (m *memory) String() string { return "memory" }

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

func (m *memory) Head(context.Context) (*store.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head, m.down
}

func (m *memory) Commit(_ context.Context, on *store.State, change store.Change) (store.Entry, error) {
	m.mu.Lock()
	before := m.before
	m.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return store.Entry{}, err
		}
	}
	return m.commit(on, change)
}

func (m *memory) commit(on *store.State, change store.Change) (store.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head.Revision() != on.Revision() {
		return store.Entry{}, store.ErrMoved
	}
	change.Time = time.Date(2026, 1, 2, 3, 4, int(on.Revision()), 0, time.UTC)
	next, entry, problems := on.Edit(change)
	if len(problems) > 0 {
		return store.Entry{}, problems
	}
	if len(entry.Changes) > 0 {
		m.head, m.entries = next, append(m.entries, entry)
		close(m.changed)
		m.changed = make(chan struct{})
	}
	return entry, nil
}

func (m *memory) Entries(_ context.Context, query store.Query) ([]store.Entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []store.Entry
	for _, entry := range slices.Backward(m.entries) {
		if query.Before != 0 && entry.Revision >= query.Before {
			continue
		}
		if query.Key != nil && !slices.ContainsFunc(entry.Changes, func(c store.DocumentChange) bool { return c.Key == *query.Key }) {
			continue
		}
		if len(found) == query.Limit {
			return found, true, m.down
		}
		found = append(found, entry)
	}
	return found, false, m.down
}

func (m *memory) Follow(ctx context.Context, after int64, onEntry func(store.Entry)) error {
	for {
		m.mu.Lock()
		pending, changed := m.entries[min(int(after), len(m.entries)):], m.changed
		m.mu.Unlock()
		for _, entry := range pending {
			onEntry(entry)
			after = entry.Revision
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

var errDisturbed = errors.New("the test disturbs")
