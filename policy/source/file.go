package source

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// DefaultResync is how often files are read without any sign of a change.
const DefaultResync = 10 * time.Second

var _ Source = (*File)(nil)

// FileOptions is how to read and watch files. The zero value is of use.
type FileOptions struct {
	// Resync is how often to read the files without any sign of a change, so
	// that a network file system and signs that were lost only delay. Zero is
	// DefaultResync.
	Resync time.Duration
	// Logger gets what goes wrong with watching, which delays changes and loses
	// none. Nil is slog's default.
	Logger *slog.Logger
}

// A File is policies in files.
type File struct {
	paths  []string
	resync time.Duration
	logger *slog.Logger
	parse  func(file string, data []byte) ([]policy.Document, policy.Problems)
	list   func() *listing
	notify func() (*notifier, error)
	poll   time.Duration // how often to look where nothing tells of changes
	buffer buffer

	mu     sync.Mutex
	known  *digest           // what the latest Load or onChange returned
	parsed map[string]parsed // by the names of the files
}

// parsed is what a file's content was found to mean.
type parsed struct {
	digest    digest
	documents []policy.Document
	problems  policy.Problems
}

// NewFile returns a source of the policies in files. A path is a file, which is
// read whatever its name, or a folder: then its files *.yaml, *.yml and *.json
// and those below it are read, without hidden ones (.a.yaml) and tests
// (a_test.yaml). A file that several paths lead to is read once.
//
// Links to files are followed, and so is a path that is itself a link. Links to
// folders within a folder are not, but for those of a Kubernetes ConfigMap.
func NewFile(paths []string, opts FileOptions) *File {
	f := &File{
		paths:  slices.Clone(paths),
		resync: opts.Resync,
		logger: opts.Logger,
		parse:  new(document.Batch).Read,
		notify: newNotifier,
		poll:   pollPeriod,
	}
	f.list = func() *listing { return list(f.paths, f.atOnce()) }
	if f.resync <= 0 {
		f.resync = DefaultResync
	}
	if f.logger == nil {
		f.logger = slog.Default()
	}
	return f
}

// String returns the paths as they were given.
func (f *File) String() string { return strings.Join(f.paths, ", ") }

// Load reads all files once, as they are at one moment. The only error is that
// ctx has ended.
func (f *File) Load(ctx context.Context) (Snapshot, error) {
	r, err := f.read(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	snapshot, err := f.snapshot(ctx, r)
	if err != nil {
		return Snapshot{}, err
	}
	f.setKnown(r.digest)
	return snapshot, nil
}

// Watch implements [Source]. It never returns an error.
func (f *File) Watch(ctx context.Context, onChange func(Snapshot)) error {
	w := newWatch(f, onChange)
	defer w.close()
	w.run(ctx)
	return nil
}

// readAtOnce is how many files are looked at and read at once while nothing is loaded
// yet; later one is. It is more than there are processors as a rule: a network file
// system lets each wait.
const readAtOnce = 8

func (f *File) atOnce() int {
	if f.lastParsed() == nil {
		return readAtOnce
	}
	return 1
}

func (f *File) read(ctx context.Context) (*reading, error) {
	return read(ctx, f.String(), f.list, f.atOnce(), &f.buffer)
}

// snapshot finds out what a reading means, and releases it. The only error is that
// ctx has ended.
func (f *File) snapshot(ctx context.Context, r *reading) (Snapshot, error) {
	s := Snapshot{Files: len(r.files), Problems: append(policy.Problems(nil), r.problems...)}
	after, err := f.parseAll(ctx, r)
	r.release()
	if err != nil {
		return Snapshot{}, err
	}
	for i := range r.contents {
		p := after[r.files[i].name]
		s.Documents = append(s.Documents, p.documents...)
		s.Problems = append(s.Problems, p.problems...)
	}
	if r.rested {
		s.Problems = append(s.Problems, withoutDocuments(r, after)...)
		f.setParsed(after)
	}
	s.Problems.Sort()
	return s, nil
}

// parseAll parses the files whose content has changed: the first time several at
// once, since where there are thousands most of a start is this; later one after
// the other in the caller's goroutine, which leaves the processors to those who
// wait for an answer.
func (f *File) parseAll(ctx context.Context, r *reading) (map[string]parsed, error) {
	before := f.lastParsed()
	atOnce := 1
	if before == nil {
		atOnce = runtime.GOMAXPROCS(0)
	}
	found := make([]parsed, len(r.contents))
	err := each(ctx, len(found), atOnce, func(i int) {
		c := &r.contents[i]
		if c.faulty {
			return
		}
		if p, ok := before[r.files[i].name]; ok && p.digest == c.digest {
			found[i] = p
			return
		}
		found[i].digest = c.digest
		found[i].documents, found[i].problems = f.parse(r.files[i].name, c.data)
	})
	if err != nil {
		return nil, err
	}
	after := make(map[string]parsed, len(found))
	for i := range found {
		if !r.contents[i].faulty {
			after[r.files[i].name] = found[i]
		}
	}
	return after, nil
}

// withoutDocuments says which paths hold no document at all, where nothing else
// that is wrong with them explains it.
func withoutDocuments(r *reading, files map[string]parsed) policy.Problems {
	var problems policy.Problems
	for _, root := range r.roots {
		silent := root.faulty
		for _, i := range root.files {
			p := files[r.files[i].name]
			silent = silent || r.contents[i].faulty || len(p.documents) > 0 || len(p.problems.Errors()) > 0
		}
		if !silent {
			problems = append(problems, problemNoDocuments(root.name, root.folder))
		}
	}
	return problems
}

func (f *File) lastKnown() *digest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

func (f *File) setKnown(d digest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = &d
}

func (f *File) lastParsed() map[string]parsed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parsed
}

func (f *File) setParsed(p map[string]parsed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parsed = p
}
