package source

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long files must rest before they are read.
	quiet = 50 * time.Millisecond
	// maxDelay is how long a first change waits for the files to rest.
	maxDelay = 500 * time.Millisecond
	// pollPeriod is how often files are looked at where nothing tells of changes.
	pollPeriod = time.Second
	// maxRounds is how often folders are listed again because new ones came.
	maxRounds = 32
)

// A watch is one call of File.Watch. All but the notifier's own goroutine runs
// in the caller's.
type watch struct {
	file     *File
	onChange func(Snapshot)

	notifier *notifier // nil where there is none to be had
	poll     *time.Ticker
	seen     *listing // what the files looked like at the last poll

	last    *digest     // what was delivered last
	rest    *time.Timer // runs out when the files have rested
	changed time.Time   // when the first change came that was not yet read, or zero
}

func newWatch(f *File, onChange func(Snapshot)) *watch {
	w := &watch{file: f, onChange: onChange, last: f.lastKnown(), rest: time.NewTimer(quiet)}
	w.rest.Stop()
	n, err := f.notify()
	if err != nil {
		w.fallBack(err)
		return w
	}
	w.notifier = n
	return w
}

func (w *watch) close() {
	w.rest.Stop()
	if w.poll != nil {
		w.poll.Stop()
	}
	if w.notifier == nil {
		return
	}
	if err := w.notifier.close(); err != nil {
		w.file.logger.Warn("cannot stop to watch policies", slog.Any("error", err))
	}
}

func (w *watch) run(ctx context.Context) {
	resync := time.NewTicker(w.file.resync)
	defer resync.Stop()

	var woken <-chan struct{}
	var trouble <-chan error
	if w.notifier != nil {
		woken, trouble = w.notifier.woken, w.notifier.trouble
	}
	w.follow()
	w.compare(ctx)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-woken:
			w.touch()
		case err := <-trouble:
			w.lost(ctx, err)
		case <-w.polled():
			w.look()
		case <-resync.C:
			w.follow()
			w.compare(ctx)
		case <-w.rest.C:
			w.deliver(ctx)
		}
	}
}

// touch notes that something changed: it is read when the files have rested.
func (w *watch) touch() {
	now := time.Now()
	if w.changed.IsZero() {
		w.changed = now
	}
	w.rest.Reset(min(quiet, w.changed.Add(maxDelay).Sub(now)))
}

// lost notes that some signs of changes were lost.
func (w *watch) lost(ctx context.Context, err error) {
	level := slog.LevelWarn
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		level = slog.LevelDebug // many changes at once are no trouble
	}
	w.file.logger.LogAttrs(ctx, level, "signs of changes to policies were lost, reading everything",
		slog.String("source", w.file.String()), slog.Any("error", err))
	w.touch()
}

// follow watches the folders that there are now.
func (w *watch) follow() {
	if w.notifier == nil {
		return
	}
	for range maxRounds {
		began, err := w.notifier.follow(w.file.list().watch)
		if err != nil {
			w.fallBack(err)
		}
		if !began {
			return
		}
	}
}

// fallBack makes do without being told of changes.
func (w *watch) fallBack(err error) {
	if w.poll != nil {
		return
	}
	w.file.logger.Warn("cannot watch policies, looking at them regularly instead",
		slog.String("source", w.file.String()), slog.Any("error", err))
	w.poll = time.NewTicker(w.file.poll)
	w.seen = w.file.list()
}

func (w *watch) polled() <-chan time.Time {
	if w.poll == nil {
		return nil
	}
	return w.poll.C
}

// look finds changes that can be seen without reading.
func (w *watch) look() {
	now := w.file.list()
	if !now.unchanged(w.seen) {
		w.seen = now
		w.touch()
	}
}

// compare finds changes by reading everything.
func (w *watch) compare(ctx context.Context) {
	if !w.changed.IsZero() {
		return // it will be read anyway
	}
	r, err := w.file.read(ctx)
	if err != nil {
		return // ctx has ended
	}
	defer r.release()
	if !w.delivered(r) {
		w.touch()
	}
}

func (w *watch) delivered(r *reading) bool { return w.last != nil && *w.last == r.digest }

// deliver reads the files and hands over what is new.
func (w *watch) deliver(ctx context.Context) {
	w.changed = time.Time{}
	w.follow() // before reading, so that a change after it is seen
	r, err := w.file.read(ctx)
	if err != nil {
		return // ctx has ended
	}
	if !r.rested {
		w.touch() // to read again, whatever is said about it now
	}
	if w.delivered(r) {
		r.release()
		return
	}
	snapshot, err := w.file.snapshot(ctx, r)
	if err != nil || ctx.Err() != nil {
		return
	}
	last := r.digest // a copy, or the content would stay with it
	w.last = &last
	w.file.setKnown(last)
	w.onChange(snapshot)
}
