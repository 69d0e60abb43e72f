package store

import (
	"iter"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// A Record is a document that is kept.
type Record struct {
	Key Key
	// Revision is that of the change that changed it last.
	Revision int64
	Changed  time.Time
	Author   string
	// Origins is how many origins a set holds.
	Origins int
}

// A State is the documents at one revision. It is immutable, and shares with its
// neighbours what they have in common.
type State struct {
	revision int64
	changed  time.Time
}

// Revision is the number of the last change, zero where there was none.
func (s *State) Revision() int64 { return s.revision }

// Changed is when the last change was made.
func (s *State) Changed() time.Time { return s.changed }

// The rest of what a State must do, for who builds on it meanwhile:
//
//	Record(Key) (Record, bool)
//	Records() iter.Seq[Record]                   ordered by key
//	Text(Key) (string, bool)                     the whole document, origins and all
//	Documents() []policy.Document                read once, and shared between states
//	Edit(Change) (*State, Entry, policy.Problems)  pure: what a change would make; problems are of reading its texts and of what it names
//	Apply(Entry) (*State, error)                 what an entry makes of the state before it
//	Undo(Entry) Change …                         see Back below
//
//	func Back(now *State, entries []Entry) (Change, error)   the change that undoes the entries, newest first
var (
	_ iter.Seq[Record]
	_ policy.Problems
)
