package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/store"
)

const (
	// firstPause and longestPause are how long to wait before asking an etcd again
	// that did not answer: twice as long each time.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// A delivered is what a snapshot was made of.
type delivered struct {
	state   *store.State
	fault   string
	foreign []string
}

func deliveredOf(v *version) *delivered {
	d := &delivered{state: v.state, foreign: v.foreign}
	if v.fault != nil {
		d.fault = v.fault.Error()
	}
	return d
}

// same reports whether a snapshot of the one is a snapshot of the other. The states
// of two histories differ though they have one number.
func (d *delivered) same(e *delivered) bool {
	return d != nil && e != nil && d.fault == e.fault && slices.Equal(d.foreign, e.foreign) &&
		d.state.Revision() == e.state.Revision() && d.state.Changed().Equal(e.state.Changed())
}

// snapshot returns all that is known at a version.
func (v *version) snapshot() source.Snapshot {
	docs, problems := v.state.Documents()
	problems = slices.Clone(problems)
	if f, ok := errors.AsType[keyFault](v.fault); ok {
		problems = append(problems, f.problem(policy.SeverityError))
	}
	for _, key := range v.foreign {
		f := keyFault{fault{codeForeign, "it is not one of corsgate's keys, and nothing reads it", mendForeign}, key}
		problems = append(problems, f.problem(policy.SeverityWarning))
	}
	problems.Sort()
	return source.Snapshot{Documents: docs, Problems: problems, Files: v.state.Len(), Revision: v.state.Revision()}
}

// Load implements [source.Source]. An error means that etcd does not answer within
// Options.DialTimeout, or does not let us.
func (s *Store) Load(ctx context.Context) (source.Snapshot, error) {
	began := s.options.Now()
	v, err := s.refresh(ctx)
	if err != nil {
		return source.Snapshot{}, err
	}
	s.note(deliveredOf(v), began)
	return v.snapshot(), nil
}

// InStep implements [source.Dated].
func (s *Store) InStep() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inStep
}

func (s *Store) note(d *delivered, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.inStep = d, at
}

// Watch implements [source.Source]. It never returns an error: an etcd that is away
// comes back.
func (s *Store) Watch(ctx context.Context, onChange func(source.Snapshot)) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	due := make(chan struct{}, 1)
	group.Go(func() { s.tend(ctx, due) })

	s.mu.Lock()
	last := s.known
	s.mu.Unlock()
	s.follow(ctx, func(v *version, at time.Time) error {
		next := deliveredOf(v)
		changed := !last.same(next)
		if changed {
			last = next
			onChange(v.snapshot())
		}
		s.note(next, at)
		if s.isDue(v) {
			select {
			case due <- struct{}{}:
			default: // it is known already
			}
		}
		return nil
	})
	return nil
}

// follow calls onVersion with the newest version, at first, after each change, and
// regularly, until ctx ends. What comes while onVersion runs is one change. After an
// error it is called again, as when etcd does not answer.
func (s *Store) follow(ctx context.Context, onVersion func(v *version, at time.Time) error) {
	pause, said := firstPause, ""
	for ctx.Err() == nil {
		err := s.followOnce(ctx, func(v *version, at time.Time) error {
			if said != "" {
				said = ""
				s.logger.LogAttrs(ctx, slog.LevelInfo, "etcd answers again", slog.Int64("revision", v.state.Revision()))
			}
			pause = firstPause
			return onVersion(v, at)
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said { // once is enough for an hour
			said = err.Error()
			s.logger.LogAttrs(ctx, slog.LevelWarn, "cannot follow the policies in etcd; those in force stay, and it is tried again",
				slog.Any("error", err))
		}
		s.pause(ctx, jitter(pause))
		pause = min(2*pause, longestPause)
	}
}

// pause waits, and reports whether ctx still lives.
func (s *Store) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// jitter keeps a fleet from asking all at once.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // nobody gains by guessing it
}

// followOnce is follow until something goes wrong.
func (s *Store) followOnce(ctx context.Context, onVersion func(v *version, at time.Time) error) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	var pump sync.WaitGroup
	defer pump.Wait()
	defer cancel()
	woken, ended := make(chan struct{}, 1), make(chan error, 1)
	client, err := s.dial.get(ctx)
	if err != nil {
		return s.explained(ctx, &callError{err, nil})
	}
	// The watch begins before the first reading: what comes after that wakes us.
	changes := client.Watch(ctx, s.layout.logs(), clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	pump.Go(func() { ended <- wake(changes, woken) })

	check := time.NewTicker(s.options.CheckEvery)
	defer check.Stop()
	// missed is that the last change was found by looking, and the watch has not
	// told of it: the member that it is of may be in trouble.
	looked, missed := false, false
	for revision := int64(-1); ; {
		began := s.options.Now()
		v, err := s.refresh(ctx)
		if err != nil {
			return err
		}
		if looked && missed {
			return errSilent
		}
		missed = looked && v.state.Revision() > revision
		revision = v.state.Revision()
		if err := onVersion(v, began); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-woken:
			looked = false
		case <-check.C:
			looked = true
		}
	}
}

// errSilent is of a watch that does not tell what happened.
var errSilent = errors.New("the watch is silent though there are changes")

// wake puts an element into a channel whenever something happens in the log, until
// the watch ends. It takes what etcd sends at once.
func wake(changes clientv3.WatchChan, woken chan<- struct{}) error {
	for answer := range changes {
		if err := answer.Err(); err != nil {
			return fmt.Errorf("the watch ended: %w", err)
		}
		select {
		case woken <- struct{}{}:
		default: // it is woken already
		}
	}
	return errors.New("the watch ended")
}
