package policyservice

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Status implements the service.
func (s *Service) Status(ctx context.Context, _ *connect.Request[corsgatev1.StatusRequest]) (*connect.Response[corsgatev1.StatusResponse], error) {
	now := s.options.Now()
	response := &corsgatev1.StatusResponse{}
	var changed time.Time
	if s.options.Store != nil {
		head, err := s.options.Store.Head(ctx)
		if err != nil {
			return nil, s.statusError(err)
		}
		changed = head.Changed()
		response.Revision, response.Changed = head.Revision(), timeOf(changed)
	}
	self := s.options.Self()
	self.Seen = now
	replicas := []store.Replica{self}
	if s.options.Fleet != nil {
		known, err := s.options.Fleet.Replicas(ctx)
		if err != nil {
			return nil, s.statusError(err)
		}
		replicas = known
	}
	for i := range replicas {
		response.Replicas = append(response.Replicas, replicaOf(&replicas[i], response.GetRevision(), changed, now))
	}
	return connect.NewResponse(response), nil
}

// statusError says what the store could not tell, and what is in force here
// nevertheless.
func (s *Service) statusError(err error) error {
	failed := s.readError(err)
	if connect.CodeOf(failed) != connect.CodeUnavailable {
		return failed
	}
	self := s.options.Self()
	if self.Since.IsZero() {
		return failed
	}
	return connect.NewError(connect.CodeUnavailable, fmt.Errorf("%s; until then %s goes on with revision %d, in force since %s",
		messageOf(failed), self.ID, self.Revision, self.Since.UTC().Format(time.RFC3339)))
}

// replicaOf writes a replica as the service sends it.
func replicaOf(r *store.Replica, newest int64, changed, now time.Time) *corsgatev1.Replica {
	out := &corsgatev1.Replica{
		Id: r.ID, Address: r.Address, Version: r.Version, Revision: r.Revision, SetRevision: r.SetRevision,
		Since: timeOf(r.Since), Seen: timeOf(r.Seen), Problem: r.Problem,
	}
	if r.Revision < newest {
		out.Lag = durationpb.New(max(now.Sub(changed), 0))
	}
	return out
}

func timeOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
