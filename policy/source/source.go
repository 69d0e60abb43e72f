// Package source is where policies come from: it reads the documents and says
// when they have changed. It knows where documents are kept and nothing of what
// they say; package document reads them, and package policy gives them meaning.
//
// A source never decides which policies are in force. It hands over all that it
// holds as one [Snapshot], the bad along with the good, and its user keeps the
// last good one.
package source

import (
	"context"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// A Snapshot is all that a source holds at one moment, read as one whole.
type Snapshot struct {
	// Documents is what could be read, in a stable order. Snapshots share what
	// did not change, so nobody may change it.
	Documents []policy.Document
	// Problems is what reading met, ordered by position. With an error among
	// them the snapshot must not replace a good one.
	Problems policy.Problems
	// Files counts the files or keys that the snapshot was read from, those
	// without a document among them.
	Files int
	// Revision is the source's own number of the change that the snapshot includes
	// last. It is zero where the source does not count its changes.
	Revision int64
	// AsOf, unless zero, says that the snapshot is of an earlier time, because the
	// source cannot be reached: it was in step with the source then.
	AsOf time.Time
}

// A Dated source knows how fresh it is, as one that is reached over a network
// does. A source that is not Dated is always in step.
type Dated interface {
	Source

	// InStep returns the latest moment at which it was known that what was
	// delivered last is what the source holds. It is zero where it never was.
	InStep() time.Time
}

// A Source is where policies come from. Its methods may be called from several
// goroutines, but only one Watch at a time.
type Source interface {
	// String says where, for people and logs, such as "policies/".
	String() string

	// Load reads everything once. What is wrong with the documents, or with the
	// place that holds them, is among the snapshot's problems; an error means
	// that nothing at all can be said, and that ctx has ended is one.
	Load(ctx context.Context) (Snapshot, error)

	// Watch calls onChange after each change, until ctx ends, and then returns
	// nil. Any other return is an error that watching again will not mend.
	//
	// A change is one to what the latest Load, or the latest onChange of an
	// earlier Watch, returned. So a change between Load and Watch is not lost,
	// and a Watch without a Load begins with what is there. Changes in quick
	// succession may be delivered as one. A snapshot equal to the one before is
	// not delivered. What could not be read is delivered too, as a snapshot with
	// an error among its problems, and so is its mending.
	//
	// Calls of onChange never overlap, and none begins after Watch has returned.
	Watch(ctx context.Context, onChange func(Snapshot)) error
}
