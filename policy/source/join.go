package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
)

// rereadPause is how long to wait before a part is read again that could not be.
const rereadPause = time.Second

// errStopped is of a source that ended its Watch without a reason.
var errStopped = errors.New("it stopped watching")

var (
	_ Source = (*joined)(nil)
	_ Dated  = joinedDated{}
)

// Join returns a source of what several sources hold, in a stated order. Where two
// of them hold a document of the same kind, namespace and name, that of the source
// that is named first counts, and a warning says what it hides.
//
// It is all or nothing: Load fails where one of the sources cannot be loaded, and
// Watch delivers nothing before each of them was read. A source that is lost later
// counts with what it held last. The revision is that of the first source that
// counts its changes. The result is [Dated] if one of the sources is.
func Join(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	j := &joined{parts: make([]*part, len(sources))}
	dated := false
	for i, source := range sources {
		j.parts[i] = &part{source: source}
		_, isDated := source.(Dated)
		dated = dated || isDated
	}
	if dated {
		return joinedDated{j}
	}
	return j
}

// A joined is several sources.
type joined struct {
	parts []*part

	mu    sync.Mutex // guards what is below, and what the parts hold
	known *Snapshot  // what the latest Load or onChange returned
	// active counts the calls of Load and Watch that have not returned, and begun
	// all that ever were. By them a Load finds out whether it was alone.
	active, begun int
}

// A part is one of the sources.
type part struct {
	source Source
	held   *holding // nil where it was never read
	// unsure says that a Load ran beside another call. Then nobody knows which
	// of the two readings the part takes for its latest, to which its next Watch
	// compares: it has to be read once more before that.
	unsure bool
}

// String returns the names of the sources in their order.
func (j *joined) String() string {
	names := make([]string, len(j.parts))
	for i, p := range j.parts {
		names[i] = p.source.String()
	}
	return strings.Join(names, ", then ")
}

// Load loads all sources.
func (j *joined) Load(ctx context.Context) (Snapshot, error) {
	ticket, alone := j.begin()
	defer j.end()
	read := make([]*holding, len(j.parts))
	group, loading := errgroup.WithContext(ctx)
	for i, p := range j.parts {
		group.Go(func() (err error) {
			read[i], err = p.load(loading)
			return err
		})
	}
	err := group.Wait()

	j.mu.Lock()
	defer j.mu.Unlock()
	alone = alone && j.begun == ticket
	for i, p := range j.parts {
		switch {
		case read[i] == nil:
		case alone:
			p.held, p.unsure = read[i], false
		default:
			p.unsure = true
		}
	}
	if err != nil {
		return Snapshot{}, err //nolint:wrapcheck // load has said which source it was
	}
	s := combine(read)
	j.known = &s
	return s, nil
}

func (p *part) load(ctx context.Context) (*holding, error) {
	s, err := p.source.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", p.source, err)
	}
	return &holding{Snapshot: s}, nil
}

// begin notes that a call begins, and says whether no other is under way.
func (j *joined) begin() (ticket int, alone bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.active++
	j.begun++
	return j.begun, j.active == 1
}

func (j *joined) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.active--
}

// Watch implements [Source]. It ends when one of the sources ends for good.
func (j *joined) Watch(ctx context.Context, onChange func(Snapshot)) error {
	j.begin()
	defer j.end()
	w := j.newWatch()
	group, watching := errgroup.WithContext(ctx)
	for i := range j.parts {
		group.Go(func() error { return w.follow(watching, i) })
	}
	group.Go(func() error {
		w.deliver(watching, onChange)
		return nil
	})
	if err := group.Wait(); ctx.Err() == nil {
		return err //nolint:wrapcheck // follow has said which source it was
	}
	return nil
}

// A joinedWatch is one call of joined.Watch.
type joinedWatch struct {
	*joined

	// held is what is known of the parts: nil where that has yet to be read. It is
	// guarded by mu.
	held []*holding
	// last is what was delivered last.
	last *Snapshot
	// changed holds an element when there may be something to deliver.
	changed chan struct{}
}

func (j *joined) newWatch() *joinedWatch {
	w := &joinedWatch{joined: j, held: make([]*holding, len(j.parts)), changed: make(chan struct{}, 1)}
	w.changed <- struct{}{} // a change may have come that no earlier Watch delivered
	j.mu.Lock()
	defer j.mu.Unlock()
	w.last = j.known
	for i, p := range j.parts {
		if !p.unsure {
			w.held[i] = p.held
		}
	}
	return w
}

// follow keeps in step with one source until ctx ends or the source does. A burst
// of changes may be delivered as one, since it does not wait for a delivery.
func (w *joinedWatch) follow(ctx context.Context, i int) error {
	p := w.parts[i]
	w.reread(ctx, i)
	err := p.source.Watch(ctx, func(s Snapshot) { w.hold(i, &holding{Snapshot: s}) })
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that ctx has ended is no fault of the source
	}
	return fmt.Errorf("watch %s: %w", p.source, cmp.Or(err, errStopped))
}

// reread loads a source of which it is not sure what it takes for its latest, until
// that succeeds or ctx ends.
func (w *joinedWatch) reread(ctx context.Context, i int) {
	w.mu.Lock()
	unsure := w.parts[i].unsure
	w.mu.Unlock()
	for unsure {
		h, err := w.parts[i].load(ctx)
		if err == nil {
			w.hold(i, h)
			return
		}
		unsure = pause(ctx, rereadPause) == nil
	}
}

// hold notes what a source holds now.
func (w *joinedWatch) hold(i int, h *holding) {
	w.mu.Lock()
	w.held[i] = h
	w.parts[i].held, w.parts[i].unsure = h, false
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// deliver hands over what is new until ctx ends.
func (w *joinedWatch) deliver(ctx context.Context, onChange func(Snapshot)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.changed:
		}
		if ctx.Err() == nil && w.next() {
			onChange(*w.last)
		}
	}
}

// next finds out what the sources hold now. It reports false where that is nothing
// new, or not all of them were read.
func (w *joinedWatch) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(w.held, nil) {
		return false
	}
	s := combine(w.held)
	if w.last != nil && w.last.equal(&s) {
		return false
	}
	w.last, w.known = &s, &s
	return true
}

// A joinedDated is several sources of which at least one is dated.
type joinedDated struct{ *joined }

// InStep returns the oldest of the moments that the sources name.
func (j joinedDated) InStep() time.Time {
	var oldest time.Time
	first := true
	for _, p := range j.parts {
		dated, ok := p.source.(Dated)
		if !ok {
			continue
		}
		if at := dated.InStep(); first || at.Before(oldest) {
			oldest, first = at, false
		}
	}
	return oldest
}

// A holding is what one source held when it was read last.
type holding struct {
	Snapshot

	keys map[store.Key]int // places in Documents, made when they are asked for
}

// find returns the first document of a key.
func (h *holding) find(key store.Key) (*policy.Document, bool) {
	if h.keys == nil {
		h.keys = make(map[store.Key]int, len(h.Documents))
		for i := range h.Documents {
			key := keyOf(&h.Documents[i])
			if _, ok := h.keys[key]; !ok {
				h.keys[key] = i
			}
		}
	}
	i, ok := h.keys[key]
	if !ok {
		return nil, false
	}
	return &h.Documents[i], true
}

// combine makes one snapshot of what the sources hold.
func combine(held []*holding) Snapshot {
	var s Snapshot
	for i, h := range held {
		s.Files += h.Files
		s.Revision = cmp.Or(s.Revision, h.Revision)
		if !h.AsOf.IsZero() && (s.AsOf.IsZero() || h.AsOf.Before(s.AsOf)) {
			s.AsOf = h.AsOf
		}
		s.Problems = append(s.Problems, h.Problems...)
		for d := range h.Documents {
			doc := &h.Documents[d]
			if first, ok := findFirst(held[:i], doc); ok {
				s.Problems = append(s.Problems, problemHidden(doc, first))
			} else {
				s.Documents = append(s.Documents, *doc)
			}
		}
	}
	s.Problems.Sort()
	return s
}

// findFirst returns the document that hides another.
func findFirst(before []*holding, doc *policy.Document) (*policy.Document, bool) {
	for _, h := range before {
		if len(h.Documents) == 0 {
			continue
		}
		if first, ok := h.find(keyOf(doc)); ok {
			return first, true
		}
	}
	return nil, false
}

// equal reports whether two snapshots say the same of the same places. Snapshots
// share what did not change, so that this costs little.
func (s *Snapshot) equal(o *Snapshot) bool {
	return s.Files == o.Files && s.Revision == o.Revision && s.AsOf.Equal(o.AsOf) &&
		slices.Equal(s.Problems, o.Problems) && slices.EqualFunc(s.Documents, o.Documents, sameDocument)
}
