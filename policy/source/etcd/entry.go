package etcd

import (
	"fmt"
	"slices"
	"time"

	"github.com/corsgate/corsgate/policy/store"
)

// entryBody is a store.Entry in the log.
type entryBody struct {
	// ID is chosen at random by who makes the change, and known to nobody else.
	ID           string       `json:"id"`
	Revision     int64        `json:"revision"`
	Time         time.Time    `json:"time"`
	Author       string       `json:"author,omitempty"`
	Reason       string       `json:"reason,omitempty"`
	RolledBackTo int64        `json:"rolledBackTo,omitempty"`
	Changes      []changeBody `json:"changes"`
}

type changeBody struct {
	store.Key

	Before      *string `json:"before,omitempty"`
	After       *string `json:"after,omitempty"`
	BeforeApart bool    `json:"beforeApart,omitempty"`
	AfterApart  bool    `json:"afterApart,omitempty"`
	Added       *lines  `json:"added,omitempty"`
	Removed     *lines  `json:"removed,omitempty"`
}

// sealEntry writes an entry as a value of the log.
func sealEntry(id string, entry *store.Entry, to *blobs) (value []byte, sum string, err error) {
	body := entryBody{
		ID: id, Revision: entry.Revision, Time: entry.Time, Author: entry.Author, Reason: entry.Reason, RolledBackTo: entry.RolledBackTo,
		Changes: make([]changeBody, len(entry.Changes)),
	}
	for i, c := range entry.Changes {
		body.Changes[i] = changeBody{Key: c.Key, Before: c.Before, After: c.After, BeforeApart: c.BeforeApart, AfterApart: c.AfterApart}
		if len(c.Added) > 0 {
			body.Changes[i].Added = to.addLines(c.Added)
		}
		if len(c.Removed) > 0 {
			body.Changes[i].Removed = to.addLines(c.Removed)
		}
	}
	value, sum, err = seal(body, to)
	switch {
	case err != nil:
		return nil, "", err
	case len(to.order) > maxBlobs || len(value) > maxValue/2:
		return nil, "", fmt.Errorf("the change takes %d blobs and %d bytes, and %d and %d are the limits; make it in several steps: %w",
			len(to.order), len(value), maxBlobs, maxValue/2, store.ErrTooLarge)
	}
	return value, sum, nil
}

// lists returns the lists of the entry, each of which may be nil.
func (b *entryBody) lists() []*lines {
	var all []*lines
	for i := range b.Changes {
		all = append(all, b.Changes[i].Added, b.Changes[i].Removed)
	}
	return all
}

// entry returns the entry, whose lists were fetched.
func (b *entryBody) entry(fetched [][]string) store.Entry {
	entry := store.Entry{
		Revision: b.Revision, Time: b.Time, Author: b.Author, Reason: b.Reason, RolledBackTo: b.RolledBackTo,
		Changes: make([]store.DocumentChange, len(b.Changes)),
	}
	for i, c := range b.Changes {
		entry.Changes[i] = store.DocumentChange{
			Key: c.Key, Before: c.Before, After: c.After, BeforeApart: c.BeforeApart, AfterApart: c.AfterApart,
			Added: fetched[2*i], Removed: fetched[2*i+1],
		}
	}
	return entry
}

// changes reports whether the entry changed a document.
func (b *entryBody) changes(key store.Key) bool {
	return slices.ContainsFunc(b.Changes, func(c changeBody) bool { return c.Key == key })
}
