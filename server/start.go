package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/corsgate/corsgate/policy/source"
)

// How long to wait before the first policies are tried again, at first and at the
// most.
const (
	firstRetry   = 500 * time.Millisecond
	longestRetry = 5 * time.Second
)

// loadFirst puts the first set in force, or says why that cannot be.
func (s *Server) loadFirst(ctx context.Context) error {
	snapshot, err := s.readFirst(ctx)
	if err != nil {
		return fmt.Errorf("loading policies from %s: %w", s.source, err)
	}
	if s.load(ctx, snapshot) {
		return nil
	}
	problems := s.policies.Status().Problems
	if s.restore(ctx) {
		return nil
	}
	return problems
}

// readFirst reads what the source holds. A source that cannot be read may be back
// in a moment, and a new replica had better be there then than be started again
// and again; so it is tried for a while.
func (s *Server) readFirst(ctx context.Context) (source.Snapshot, error) {
	if s.options.StartTimeout == 0 {
		return s.source.Load(ctx)
	}
	defer s.waiting.Store(nil)
	trying, stop := context.WithTimeout(ctx, s.options.StartTimeout)
	defer stop()
	for wait := firstRetry; ; wait = min(2*wait, longestRetry) {
		snapshot, err := s.source.Load(trying)
		if err == nil || ctx.Err() != nil {
			return snapshot, err
		}
		if trying.Err() == nil {
			s.waiting.Store(&err)
			s.logger.LogAttrs(ctx, slog.LevelWarn, "policies cannot be loaded yet; trying again",
				slog.String("source", s.source.String()), slog.String("in", wait.String()), slog.String("error", err.Error()))
		}
		again := time.NewTimer(wait)
		select {
		case <-trying.Done():
		case <-again.C:
		}
		again.Stop()
		if ctx.Err() == nil && trying.Err() != nil {
			return source.Snapshot{}, fmt.Errorf("given up after %s: %w", s.options.StartTimeout, s.lastFailure(err))
		}
	}
}

// lastFailure prefers what was wrong with the source to that time ran out.
func (s *Server) lastFailure(err error) error {
	if before := s.waiting.Load(); before != nil {
		return *before
	}
	return err
}

// restore puts the last good snapshot in force, where the source remembers one: a
// replica that starts anew then decides like those that were running when somebody
// broke what the source holds.
func (s *Server) restore(ctx context.Context) bool {
	keeper, ok := s.source.(source.Keeper)
	if !ok {
		return false
	}
	snapshot, err := keeper.LastGood()
	if err == nil {
		problems := s.policies.Restore(ctx, snapshot)
		if len(problems) == 0 {
			keeper.Good(snapshot)
			return true
		}
		err = problems
	}
	s.logger.LogAttrs(ctx, slog.LevelError, "the last good snapshot cannot stand in for the source's policies",
		slog.String("error", err.Error()))
	return false
}

// load puts a snapshot in force if it is good, and lets the source know.
func (s *Server) load(ctx context.Context, snapshot source.Snapshot) bool {
	good := s.policies.Load(ctx, snapshot)
	if s.options.Loaded != nil {
		status := s.policies.Status()
		set := status.Set
		if !good {
			set = nil
		}
		s.options.Loaded(snapshot, status.Problems, set)
	}
	if !good {
		return false
	}
	if keeper, ok := s.source.(source.Keeper); ok {
		// Without what was set aside, which could not stand in for anything.
		snapshot.Documents = s.policies.Status().Documents
		keeper.Good(snapshot)
	}
	return true
}
