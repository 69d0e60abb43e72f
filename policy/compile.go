package policy

// Options is what a set depends on besides its documents.
type Options struct {
	// NoPolicy is what becomes of cross-origin requests that no policy governs.
	NoPolicy Disposition
}

// Compile makes a set of documents. Where any problem is an error the set is
// nil. All problems are reported at once, ordered by position.
func Compile(docs []Document, opts Options) (*Set, Problems) { return &Set{}, nil }
