package kubernetes

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/corsgate/corsgate/policy/source"
)

const (
	// quiet is how long objects must rest before their changes are delivered, so
	// that what is applied together comes together.
	quiet = 50 * time.Millisecond
	// maxDelay is how long a first change waits for the objects to rest.
	maxDelay = 500 * time.Millisecond
	// troublePatience is how long trouble with a place must last to count.
	troublePatience = 5 * time.Second
	// troublePause lies between two looks at trouble that does not count yet.
	troublePause = 500 * time.Millisecond

	// askPeriod is how often a cluster is asked whether it is there.
	askPeriod = 5 * time.Second

	// firstRetry and lastRetry bound how long a lost watch waits to begin again.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Watch implements [source.Source]. It never returns an error: a cluster that
// cannot be reached is asked again until ctx ends.
func (s *Source) Watch(ctx context.Context, onChange func(source.Snapshot)) error {
	ctx, cancel := context.WithCancel(ctx)
	m := newMirror(&s.memory, s.places)
	var reflecting sync.WaitGroup
	defer func() {
		cancel()
		reflecting.Wait()
	}()
	for _, one := range m.shelfs {
		reflecting.Go(func() { s.reflect(ctx, one) })
		reflecting.Go(func() { s.ask(ctx, one) })
	}
	w := &watching{source: s, mirror: m, onChange: onChange, last: s.lastKnown(), rest: time.NewTimer(time.Hour)}
	w.rest.Stop()
	w.run(ctx)
	return nil
}

// reflect keeps a shelf in step with its place until ctx ends. A watch that
// expired is followed by a list, so that no change is lost.
func (s *Source) reflect(ctx context.Context, to *shelf) {
	quietly := logr.Discard()
	reflector := cache.NewReflectorWithOptions(s.listWatch(to), nil, to, cache.ReflectorOptions{
		Name: to.name, TypeDescription: to.kind, Logger: &quietly,
		Backoff: &wait.Backoff{Duration: firstRetry, Cap: lastRetry, Steps: 100, Factor: 2, Jitter: 0.5},
	})
	reflector.RunWithContext(klog.NewContext(ctx, quietly))
}

// listWatch is how a reflector asks, and learns what went wrong.
func (s *Source) listWatch(to *shelf) *cache.ListWatch {
	at := s.at(to.place)
	reached := true
	note := func(ctx context.Context, err error) {
		p, refused := problemAccess(to.place, err)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			if !reached {
				s.logger.LogAttrs(ctx, slog.LevelInfo, "the cluster can be reached again", slog.String("resource", to.name))
			}
			reached = true
			to.recover()
		case refused:
			to.fail(p)
		case reached && !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err):
			reached = false
			s.logger.LogAttrs(ctx, slog.LevelWarn, "the cluster cannot be reached; what was read last stays, until it can",
				slog.String("resource", to.name), slog.String("error", err.Error()))
		}
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := at.List(ctx, options)
			note(ctx, err)
			return list, err //nolint:wrapcheck // the reflector looks at what it is
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			to.watched(false) // the last one has ended
			w, err := at.Watch(ctx, options)
			if err == nil && isEmpty(w) {
				note(ctx, io.ErrUnexpectedEOF)
				return w, nil
			}
			note(ctx, err)
			to.watched(err == nil)
			return w, err //nolint:wrapcheck // the reflector looks at what it is
		},
	}
}

// ask asks now and then whether the cluster can be reached, until ctx ends: a watch
// of what does not change says nothing for minutes, whether it is alive or not.
func (s *Source) ask(ctx context.Context, of *shelf) {
	ticker := time.NewTicker(askPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before, watch := time.Now(), of.watching()
		asking, cancel := context.WithTimeout(ctx, askPeriod)
		_, err := s.at(of.place).List(asking, metav1.ListOptions{Limit: 1})
		cancel()
		if err == nil {
			of.alive(before, watch)
		}
	}
}

// isEmpty reports whether a watch is what client-go returns, as if nothing were wrong,
// where a connection was closed before it said anything.
func isEmpty(w watch.Interface) bool {
	return reflect.TypeOf(w) == reflect.TypeOf(watch.NewEmptyWatch())
}

// A watching is one call of Watch, in the goroutine of its caller.
type watching struct {
	source   *Source
	mirror   *mirror
	onChange func(source.Snapshot)

	last    *[sha256.Size]byte // what was delivered last
	rest    *time.Timer        // runs out when the objects have rested
	changed time.Time          // when the first change came that was not delivered, or zero
}

func (w *watching) run(ctx context.Context) {
	defer w.rest.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-w.mirror.changed:
			w.touch()
		case <-w.mirror.heard:
			if w.changed.IsZero() {
				w.deliver(ctx)
			}
		case <-w.rest.C:
			w.deliver(ctx)
		}
	}
}

// touch notes that something changed: it is delivered when the objects have rested.
func (w *watching) touch() {
	now := time.Now()
	if w.changed.IsZero() {
		w.changed = now
	}
	w.rest.Reset(min(quiet, w.changed.Add(maxDelay).Sub(now)))
}

// deliver hands over what is new.
func (w *watching) deliver(ctx context.Context) {
	now := time.Now()
	w.changed = time.Time{}
	if w.mirror.troubled(now) {
		w.rest.Reset(troublePause)
	}
	held, inStep, ok := w.mirror.whole(now)
	if !ok {
		return
	}
	if digest := held.digest(); w.last == nil || *w.last != digest {
		w.last = &digest
		if ctx.Err() != nil {
			return
		}
		w.onChange(held.snapshot())
	}
	w.source.delivered(held, inStep)
}
