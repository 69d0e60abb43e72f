package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// A Store keeps changes, each with who made it, when and why.
type Store interface {
	// String says where, for people.
	fmt.Stringer
	Committer
	History
}

// A Committer makes changes.
type Committer interface {
	// Head returns the newest state: every change that was committed before Head
	// was called is in it, whichever replica committed it.
	Head(ctx context.Context) (*State, error)

	// Commit makes a change on a state that Head returned, and returns what was
	// made of it. It is ErrMoved if there is a newer state: then nothing was
	// changed, and the caller looks at that one first. A change that changes
	// nothing makes no entry, and the returned entry's Revision is that of the
	// state. Other errors leave unknown whether the change was made only where
	// they are ErrUnknown.
	Commit(ctx context.Context, on *State, change Change) (Entry, error)
}

// A History knows the changes that were made.
type History interface {
	// Entries returns changes that were made, the newest first.
	Entries(ctx context.Context, query Query) (entries []Entry, more bool, err error)

	// Follow calls onEntry with each change after a revision, in order and without
	// a gap, until ctx ends, and then returns nil.
	Follow(ctx context.Context, after int64, onEntry func(Entry)) error
}

// What can become of a change.
var (
	// ErrMoved is of a change on a state that is no longer the newest.
	ErrMoved = errors.New("the policies were changed meanwhile")
	// ErrUnknown is of a change that may or may not have been made: the answer of
	// the store was lost. Making it again does no harm.
	ErrUnknown = errors.New("the store did not say whether the change was made")
	// ErrUnavailable is of a store that cannot be reached, or will not answer now.
	ErrUnavailable = errors.New("the store cannot be reached")
	// ErrFull is of a store that takes no more.
	ErrFull = errors.New("the store is full")
	// ErrRefused is of a store that does not let us: a password, or what a role may
	// do. Nothing was changed.
	ErrRefused = errors.New("the store refuses")
	// ErrTooLarge is of a change that the store cannot take in one step.
	ErrTooLarge = errors.New("the change is too large")
	// ErrGone is of a revision whose texts are no longer kept.
	ErrGone = errors.New("the revision is no longer kept")
)

// A Key names a document.
type Key = policy.Key

// A Text is a document as somebody wrote it.
type Text struct {
	// File is what the writer calls it, for errors.
	File string
	// Data is YAML or JSON. Of several documents each is kept by itself.
	Data string
}

// An OriginEdit adds and removes origins of a set, however large that is.
type OriginEdit struct {
	Namespace, Name string
	Add, Remove     []string
}

// A Change is what somebody wants to change: all of it, or nothing.
type Change struct {
	Author string
	Reason string
	// Time is when the change is made. A store fills it in.
	Time time.Time
	// Put are documents to keep, new or in place of those of their key.
	Put []Text
	// Delete are documents to remove, which must exist.
	Delete []Key
	// Edits come after Put and Delete. Their sets must exist, and each is named once.
	Edits []OriginEdit
	// RolledBackTo is the revision that the change goes back to, or zero.
	RolledBackTo int64
}

// An Entry is a change that was made.
type Entry struct {
	Revision     int64
	Time         time.Time
	Author       string
	Reason       string
	RolledBackTo int64
	// Changes are ordered by key, one a document.
	Changes []DocumentChange
}

// A DocumentChange is what became of one document.
type DocumentChange struct {
	Key Key
	// Before and After are the document's texts; nil is none.
	Before, After *string
	// BeforeApart and AfterApart are whether it is a set whose origins are kept apart
	// (see LargeSet). Then the text has none of them.
	BeforeApart, AfterApart bool
	// Added and Removed are what changed of origins that are kept apart: all of
	// them where they were not, or are no more.
	Added, Removed []string
}

// A Query is which changes to return.
type Query struct {
	// Key, unless nil, is the document that they changed.
	Key *Key
	// Before, unless zero, is a revision that they came before.
	Before int64
	// Limit is how many at the most.
	Limit int
}

// A Fleet knows the replicas that serve what a store keeps.
type Fleet interface {
	// Announce says what this replica serves, until ctx ends: at once, with each
	// change that arrives, and often enough to be known as alive.
	Announce(ctx context.Context, changes <-chan Replica) error
	// Replicas returns those that were heard of lately, ordered by ID.
	Replicas(ctx context.Context) ([]Replica, error)
}

// A Replica is one running corsgate.
type Replica struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
	Version string `json:"version,omitempty"`
	// Revision is the newest change that is in force there.
	Revision int64 `json:"revision"`
	// SetRevision identifies all that is in force there, see policy.Set.
	SetRevision string `json:"setRevision,omitempty"`
	// Since is when Revision came into force.
	Since time.Time `json:"since"`
	// Seen is when the replica was heard of last.
	Seen time.Time `json:"seen"`
	// Problem is why a newer change is not in force, where the replica knows.
	Problem string `json:"problem,omitempty"`
}
