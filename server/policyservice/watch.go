package policyservice

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/server/access"
)

// Watch implements the service.
func (s *Service) Watch(ctx context.Context, request *connect.Request[corsgatev1.WatchRequest], stream *connect.ServerStream[corsgatev1.WatchResponse]) error {
	if s.options.Store == nil {
		return s.errNoHistory()
	}
	head, err := s.options.Store.Head(ctx)
	if err != nil {
		return s.readError(err)
	}
	after := request.Msg.GetAfterRevision()
	switch {
	case after < 0:
		return invalid("after_revision is %d; it must be a revision, or zero to begin with the next one", after)
	case after > head.Revision():
		return invalid("after_revision is %d, and the newest revision is %d; it must be one that was read from this store", after, head.Revision())
	case after == 0:
		after = head.Revision()
	}
	sessionOf(ctx).begun()
	w := &watch{session: sessionOf(ctx), stream: stream, texts: request.Msg.GetTexts(), revision: head.Revision()}
	if err := w.send(nil); err != nil {
		return err
	}
	return s.follow(ctx, w, after)
}

// A watch is one stream of changes.
type watch struct {
	*session

	stream *connect.ServerStream[corsgatev1.WatchResponse]
	texts  bool
	// revision is the newest that is known.
	revision int64
}

// send sends a change, or a word that the watch still lives.
func (w *watch) send(entry *store.Entry) error {
	response := &corsgatev1.WatchResponse{}
	if entry != nil {
		w.revision = max(w.revision, entry.Revision)
		response.Entry = entryOf(entry, nil, w.texts)
	}
	response.Revision = w.revision
	if err := w.extend(sendTimeout); err != nil {
		return connect.NewError(connect.CodeInternal, fmt.Errorf("give the message its time: %w", err))
	}
	return w.stream.Send(response)
}

// follow sends each change as it comes, and now and then a word, which is also when
// a caller whose token was taken away is sent away.
func (s *Service) follow(ctx context.Context, w *watch, after int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entries, ended := make(chan store.Entry), make(chan error, 1)
	var over sync.WaitGroup
	over.Go(func() {
		ended <- s.options.Store.Follow(ctx, after, func(entry store.Entry) {
			select {
			case entries <- entry:
			case <-ctx.Done():
			}
		})
	})
	// Nobody may still use the stream, or the store, after this returns.
	defer func() {
		cancel()
		over.Wait()
	}()
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.closed.Done():
			return connect.NewError(connect.CodeUnavailable, errStopped)
		case entry := <-entries:
			if err := w.send(&entry); err != nil {
				return err
			}
		case <-ticker.C:
			if err := w.stillKnown(); err != nil {
				return err
			}
			if err := w.send(nil); err != nil {
				return err
			}
		case err := <-ended:
			if err == nil || ctx.Err() != nil {
				return nil
			}
			return s.readError(err)
		}
	}
}

// stillKnown says why the caller may not read any more. Where that cannot be told
// now, it may.
func (w *watch) stillKnown() error {
	caller, err := w.again()
	switch {
	case err == nil && caller.MayRead():
		return nil
	case err == nil:
		return refused(caller.RefuseReading())
	}
	if challenge, ok := errors.AsType[*access.Challenge](err); ok && challenge.Unavailable {
		return nil
	}
	return connect.NewError(connect.CodeUnauthenticated, err)
}
