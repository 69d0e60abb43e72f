// Package document reads policy documents: YAML or JSON in, messages of the
// schema and the places of their parts out.
//
// It is strict, since a policy that is half understood is a hole. Whatever it
// does not know, finds twice or would have to guess is an error with a position,
// a reason and a mend, and all errors of a file are reported together. What the
// fields are called, what they hold and which words they know comes from the
// schema's descriptors; only the envelope (apiVersion, kind, metadata's name and
// namespace, and spec) is known here by name, and the one list that may be empty.
//
// The package is pure: it reads no file and keeps no state.
package document

import (
	"sync"

	"github.com/corsgate/corsgate/policy"
)

// APIVersion is the one version of the documents that this package reads.
const APIVersion = "corsgate.dev/v1"

const (
	// MaxSize is the size in bytes above which a file is refused unread.
	MaxSize = 64 << 20
	// MaxDepth is how deep mappings and lists may lie within each other.
	MaxDepth = 32
	// MaxProblems is how many problems of a file are reported. Nobody mends more
	// in one go, and a file of another sort has millions.
	MaxProblems = 10_000
)

// Read reads all documents of a YAML stream, of which JSON is a part. The file
// names the stream in positions and is not opened.
//
// It returns the documents that are free of errors, in their order, and all
// problems of all documents, up to MaxProblems, ordered by position. Documents that hold nothing,
// or only comments, are skipped. A document that is not YAML at all does not
// keep the others from being read. Every problem is an error and has a position
// within data.
func Read(file string, data []byte) ([]policy.Document, policy.Problems) {
	return new(Batch).Read(file, data)
}

// A Batch reads many streams in less time than Read takes, since one has the memory
// of another that has been read. The zero value is ready for use, also by several
// goroutines.
type Batch struct {
	slabs sync.Pool // of *slab
}

// Read reads a stream as the function of that name does.
func (b *Batch) Read(file string, data []byte) ([]policy.Document, policy.Problems) {
	tree, ok := b.slabs.Get().(*slab)
	if !ok {
		tree = new(slab)
	}
	defer b.slabs.Put(tree)
	defer tree.clear()
	return readAll(file, data, policies(), byHand{plain: tree, least: fewestCut})
}

// ReadTests reads the documents of a file that tests policies, of the kind
// CorsPolicyTest, as Read reads policies.
func ReadTests(file string, data []byte) ([]policy.Document, policy.Problems) {
	return readAll(file, data, tests(), byHand{plain: new(slab)})
}

// ReadAccess reads the documents of a file that says who may use the policy
// service, of the kind CorsAccess, as Read reads policies.
func ReadAccess(file string, data []byte) ([]policy.Document, policy.Problems) {
	return readAll(file, data, accesses(), byHand{plain: new(slab)})
}

func readAll(file string, data []byte, of family, hand byHand) ([]policy.Document, policy.Problems) {
	if len(data) > MaxSize {
		return nil, policy.Problems{tooLarge(file, len(data))}
	}
	r := &reader{file: file, family: of, hand: hand}
	var docs []policy.Document
	for _, p := range r.split(data) {
		if r.full {
			break
		}
		if doc, ok := r.fast(p); ok {
			docs = append(docs, doc)
			continue
		}
		r.piece = p
		for _, root := range r.load(p) {
			if doc, ok := r.document(root); ok {
				docs = append(docs, doc)
			}
		}
	}
	r.problems.Sort()
	return docs, r.problems
}

// byHand is what is read without a parser of YAML, in less time and with the same
// result. The zero value is nothing.
type byHand struct {
	// plain is where the trees of pieces in plain YAML are made: see loadPlain. Where
	// it is nil none are.
	plain *slab
	// least is the fewest elements of a list of origins that are taken out of it:
	// see reader.fast. Where it is zero none are.
	least int
}

// A reader collects the problems of one file.
type reader struct {
	file     string
	family   family
	problems policy.Problems
	// full says that there are MaxProblems, and that reading is over.
	full bool
	// piece is the part of the file that is being read.
	piece piece
	// cuts is what was taken out of the piece.
	cuts []cut
	// hand is what is read without the parser.
	hand byHand
	// anchors holds the names of the anchors of the document that is being read.
	anchors map[string]bool
}

// add reports a problem at a line and column of the present piece.
func (r *reader) add(at mark, p policy.Problem) {
	if r.full {
		return
	}
	if len(r.problems) == MaxProblems {
		r.full = true
		p = tooMany()
	}
	at = r.piece.clamp(at)
	p.Position = policy.Position{File: r.file, Line: r.piece.line + at.line - 1, Column: at.column}
	r.problems = append(r.problems, p)
}

// place returns the place of a line and column of the present piece.
func (r *reader) place(at mark) policy.Place {
	at = whole(r.piece.clamp(at), r.cuts)
	//nolint:gosec // A file of MaxSize has fewer lines and columns than an int32 counts.
	return policy.Place{Line: int32(r.piece.line + at.line - 1), Column: int32(at.column)}
}
