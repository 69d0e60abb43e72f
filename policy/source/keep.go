package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

const (
	// keepPatience is how long a first Load may take before the file stands in.
	keepPatience = 8 * time.Second
	// keepPause is the shortest time between two saves. After a save that took
	// long it is keepShare times as long, so that saving takes little of the
	// machine however large the snapshots are and however often they change.
	keepPause = time.Second
	keepShare = 20
	// keepStamp is how often the file is told that it is still in step, and how
	// often a save is tried again that failed.
	keepStamp = 10 * time.Second
)

var (
	_ Source = (*Kept)(nil)
	_ Keeper = (*Kept)(nil)
	_ Dated  = keptDated{}
)

// A Keeper is a source that remembers the last good snapshot: the last that its
// user put in force. Only the user knows which that is.
type Keeper interface {
	// Good says that the snapshot that Load or onChange handed over last is good.
	// It returns at once.
	Good(snapshot Snapshot)
	// LastGood returns what was remembered in an earlier life, for a user whose
	// source holds nothing good now. Its AsOf is set.
	LastGood() (Snapshot, error)
	// Saved returns when the last good snapshot was saved, and why the newest is
	// not, where that failed.
	Saved() (at time.Time, err error)
}

// KeepOptions is how to keep snapshots. The zero value is of use.
type KeepOptions struct {
	// Patience is how long the first Load may take before the file stands in for
	// the source. Zero is eight seconds.
	Patience time.Duration
	// Logger gets what the source or the file fails to do. Nil is slog's default.
	Logger *slog.Logger
}

// Keep returns a source like another, which saves the last good snapshot to a
// file and reads it where the other cannot be read at the start. Once anything was
// good, it fails where the other does: what its user has in force is newer than the
// file then. The result is a [Keeper], and [Dated] where the other is.
//
// The file is replaced while Watch runs: whole or not at all, some seconds after a
// change at the latest, and never while anybody waits. It is of use to the same
// source alone, by its name. A path that holds something else is an error, and is
// left alone.
func Keep(source Source, path string, opts KeepOptions) (Source, error) {
	if err := checkSnapshotFile(path); err != nil {
		return nil, err
	}
	k := &Kept{
		source:   source,
		file:     snapshotFile{path: path, identity: source.String()},
		patience: opts.Patience,
		logger:   opts.Logger,
		now:      time.Now,
		stamp:    keepStamp,
		pause:    keepPause,
		pending:  make(chan struct{}, 1),
	}
	if k.patience <= 0 {
		k.patience = keepPatience
	}
	if k.logger == nil {
		k.logger = slog.Default()
	}
	if dated, ok := source.(Dated); ok {
		return keptDated{k, dated}, nil
	}
	return k, nil
}

// A Kept is a source whose last good snapshot is kept in a file.
type Kept struct {
	source   Source
	file     snapshotFile
	patience time.Duration
	logger   *slog.Logger
	now      func() time.Time
	stamp    time.Duration // how often to say that the file is still in step
	pause    time.Duration // between saves
	pending  chan struct{} // holds an element when there is something to save

	mu sync.Mutex
	// good is what is to be saved, or nil, and goodAt when the source held it.
	good   *Snapshot
	goodAt time.Time
	// wasGood says that something was good in this life.
	wasGood bool
	// inForce says that what was handed over last is good.
	inForce bool
	// asOf is the time of the file, where it stood in for the source.
	asOf    time.Time
	savedAt time.Time
	failure error
}

// String returns the name of the source.
func (k *Kept) String() string { return k.source.String() }

// Load loads the source, or the file where that fails and nothing was good yet.
func (k *Kept) Load(ctx context.Context) (Snapshot, error) {
	if k.handOver() {
		return k.source.Load(ctx) //nolint:wrapcheck // in place of the source
	}
	loading, stop := context.WithTimeout(ctx, k.patience)
	defer stop()
	s, err := k.source.Load(loading)
	if err == nil || ctx.Err() != nil {
		return s, err //nolint:wrapcheck // in place of the source
	}
	if loading.Err() != nil {
		err = fmt.Errorf("it did not answer within %s: %w", k.patience, err)
	}
	s, fileErr := k.LastGood()
	if fileErr != nil {
		return Snapshot{}, fmt.Errorf("%w; %w", err, fileErr)
	}
	k.logger.LogAttrs(ctx, slog.LevelWarn, "the source cannot be read; its last good snapshot stands in until it can",
		slog.String("source", k.String()), slog.String("file", k.file.path),
		slog.Time("as_of", s.AsOf), slog.Int64("store_revision", s.Revision), slog.String("error", err.Error()))
	return s, nil
}

// handOver notes that something is about to be handed over, of which nobody knows
// yet whether it is good. It reports whether anything was before.
func (k *Kept) handOver() (wasGood bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.inForce = false
	return k.wasGood
}

// LastGood implements [Keeper].
func (k *Kept) LastGood() (Snapshot, error) {
	s, err := k.file.read(k.now())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Snapshot{}, fmt.Errorf("there is no snapshot at %s to stand in, since none was good yet", k.file.path)
	case err != nil:
		return Snapshot{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asOf = s.AsOf
	return s, nil
}

// Good implements [Keeper].
func (k *Kept) Good(s Snapshot) {
	now := k.inStep()
	k.mu.Lock()
	k.wasGood, k.inForce = true, true
	isNew := s.AsOf.IsZero() // otherwise it comes from the file, or from one like it
	if isNew {
		k.good, k.goodAt = &s, now
	}
	k.mu.Unlock()
	if isNew {
		k.wake()
	}
}

func (k *Kept) wake() {
	select {
	case k.pending <- struct{}{}:
	default:
	}
}

// Saved implements [Keeper].
func (k *Kept) Saved() (at time.Time, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.savedAt, k.failure
}

// Watch watches the source, and saves what is good meanwhile.
func (k *Kept) Watch(ctx context.Context, onChange func(Snapshot)) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		k.saveUntil(ctx, stop)
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	return k.source.Watch(ctx, func(s Snapshot) { //nolint:wrapcheck // in place of the source
		k.handOver()
		onChange(s)
	})
}

// saveUntil saves what is good, until stop is closed; what is good then as well.
func (k *Kept) saveUntil(ctx context.Context, stop <-chan struct{}) {
	stamp := time.NewTicker(k.stamp)
	defer stamp.Stop()
	for {
		select {
		case <-stop:
			k.save(ctx)
			return
		case <-k.pending:
			took := k.save(ctx)
			rest := time.NewTimer(max(k.pause, keepShare*took))
			select {
			case <-stop:
			case <-rest.C:
			}
			rest.Stop()
		case <-stamp.C:
			k.refresh(ctx)
		}
	}
}

// save writes what is to be saved, if anything, and returns how long that took.
func (k *Kept) save(ctx context.Context) time.Duration {
	now := k.inStep()
	k.mu.Lock()
	good, inStep := k.good, k.goodAt
	k.good = nil
	if k.inForce {
		inStep = now
	}
	k.mu.Unlock()
	if good == nil {
		return 0
	}
	started := k.now()
	err := k.file.write(good, inStep)
	took := k.now().Sub(started)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.savedAt, k.failure = started, nil
		return took
	}
	if k.good == nil {
		k.good = good // to try again
	}
	if k.failure == nil || k.failure.Error() != err.Error() {
		k.logger.LogAttrs(ctx, slog.LevelError, "the last good snapshot could not be saved",
			slog.String("file", k.file.path), slog.String("error", err.Error()))
	}
	k.failure = err
	return took
}

// refresh tells the file that it is still in step, or tries again to save.
func (k *Kept) refresh(ctx context.Context) {
	k.mu.Lock()
	still := k.inForce && k.good == nil && k.failure == nil && !k.savedAt.IsZero()
	again := k.good != nil
	k.mu.Unlock()
	switch {
	case again:
		k.wake()
	case still:
		if err := k.file.stamp(k.inStep()); err != nil {
			k.logger.LogAttrs(ctx, slog.LevelWarn, "the last good snapshot could not be told that it is still in step",
				slog.String("file", k.file.path), slog.String("error", err.Error()))
		}
	}
}

// inStep returns when the source was in step last, as far as it is known.
func (k *Kept) inStep() time.Time {
	if dated, ok := k.source.(Dated); ok {
		if at := dated.InStep(); !at.IsZero() {
			return at
		}
	}
	return k.now()
}

// A keptDated is a Kept of a source that is dated.
type keptDated struct {
	*Kept

	dated Dated
}

// InStep returns that of the source or, until it was in step once, that of the file
// which stands in.
func (k keptDated) InStep() time.Time {
	at := k.dated.InStep()
	k.mu.Lock()
	defer k.mu.Unlock()
	if at.Before(k.asOf) {
		return k.asOf
	}
	return at
}
