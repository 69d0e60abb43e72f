package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc/health"

	"github.com/corsgate/corsgate/policy/source"
)

// stalenessPeriod is how often grpc.health.v1 is told whether the policies are too
// old. /readyz says so at once.
const stalenessPeriod = time.Second

// staleness is for how long it is not known whether the source holds something newer
// than what was read. It is zero until anything is in force.
func (s *Server) staleness() time.Duration {
	dated, ok := s.source.(source.Dated)
	if !ok {
		return 0
	}
	status := s.policies.Status()
	if status.Set == nil {
		return 0
	}
	at := dated.InStep()
	if at.IsZero() {
		at = status.LoadedAt // as it was then, if not longer
		if !status.AsOf.IsZero() {
			at = status.AsOf
		}
	}
	return max(0, s.policies.now().Sub(at))
}

// tooStale says why the server is not ready though it decides, or nothing.
func (s *Server) tooStale() string {
	limit := s.options.MaxStaleness
	age := s.staleness()
	if limit == 0 || age <= limit {
		return ""
	}
	return fmt.Sprintf("the policies are stale: %s was in step %s ago, and at most %s is wanted; the last good ones still decide",
		s.source, age.Truncate(time.Second), limit)
}

// readyz says whether requests should come here. Policies that went bad later do
// not matter: the last good ones decide.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	switch s.state.Load() {
	case stateReady:
		if stale := s.tooStale(); stale != "" {
			writeText(w, http.StatusServiceUnavailable, stale)
			return
		}
		writeText(w, http.StatusOK, "ready")
	case stateDraining:
		writeText(w, http.StatusServiceUnavailable, "draining")
	default:
		text := "policies are not loaded yet"
		if waiting := s.waiting.Load(); waiting != nil {
			text += ": " + (*waiting).Error()
		}
		writeText(w, http.StatusServiceUnavailable, text)
	}
}

// showStaleness lets grpc.health.v1 say the same as /readyz, until ctx ends.
func (s *Server) showStaleness(ctx context.Context, healthServer *health.Server) {
	if s.options.MaxStaleness == 0 {
		return
	}
	look := time.NewTicker(stalenessPeriod)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			setHealth(healthServer, s.tooStale() == "")
		}
	}
}

// snapshotSaved is when the last good snapshot was saved, zero where it never was.
func (s *Server) snapshotSaved() time.Time {
	keeper, ok := s.source.(source.Keeper)
	if !ok {
		return time.Time{}
	}
	at, _ := keeper.Saved() // /policies shows what went wrong
	return at
}

// viewFreshness shows how old what is in force may be.
func (s *Server) viewFreshness(view *View, status *Status) {
	view.StoreRevision = status.StoreRevision
	view.SnapshotOf = moment(status.AsOf)
	if dated, ok := s.source.(source.Dated); ok {
		view.InStep = moment(dated.InStep())
	}
	if keeper, ok := s.source.(source.Keeper); ok {
		at, err := keeper.Saved()
		view.Snapshot = &SnapshotView{SavedAt: moment(at)}
		if err != nil {
			view.Snapshot.Error = err.Error()
		}
	}
}
