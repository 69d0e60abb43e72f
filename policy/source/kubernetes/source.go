package kubernetes

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

var (
	_ source.Source = (*Source)(nil)
	_ source.Dated  = (*Source)(nil)
)

const (
	// listPage is how many objects are asked for at a time.
	listPage = 500
	// loadLimit bounds how long reading everything may take.
	loadLimit = time.Minute
)

// A Source is the policies in a cluster.
type Source struct {
	client    dynamic.Interface
	config    *rest.Config
	transport *http.Client
	dialer    *connrotation.Dialer
	places    []place
	logger    *slog.Logger
	memory    memory
	// moved holds an element when what is held may differ from before.
	moved chan struct{}

	mu     sync.Mutex
	known  *[sha256.Size]byte // what the latest Load or onChange returned
	held   *moment            // the same, object by object
	inStep time.Time
}

// String says where the cluster is.
func (s *Source) String() string { return scheme + s.config.Host }

// Load reads all objects once. It implements [source.Source].
//
// An object that cannot be read is a warning in the snapshot, and in its place
// stands what it said last; where that is not known, a policy stands there that
// keeps the object's targets and lets nobody call, or a set that holds nobody. A
// guardrail that cannot be read, and never could, is an error. So is a resource
// that is not defined or must not be read. A cluster that cannot be reached is an
// error that Load returns.
func (s *Source) Load(ctx context.Context) (source.Snapshot, error) {
	began := time.Now()
	held, err := s.list(ctx)
	if err != nil {
		return source.Snapshot{}, err
	}
	s.delivered(held, began)
	return held.snapshot(), nil
}

// Documents reads all objects once, as Load does, and returns their documents. It is
// no part of what Load and Watch have to say to each other.
func (s *Source) Documents(ctx context.Context) ([]policy.Document, error) {
	held, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(held.troubles) > 0 {
		return nil, held.troubles
	}
	return held.snapshot().Documents, nil
}

// list lists all places.
func (s *Source) list(ctx context.Context) (*moment, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	held := &moment{}
	for _, at := range s.places {
		if err := s.listPlace(ctx, at, held); err != nil {
			p, ok := problemAccess(at, err)
			if ended := ctx.Err(); ended != nil {
				err, ok = ended, false
			}
			if !ok {
				return nil, fmt.Errorf("read %s from %s: %w", at.name, s, err)
			}
			held.troubles = append(held.troubles, p)
		}
	}
	held.sort()
	return held, nil
}

// listPlace lists one place, page by page. All pages are of one moment.
func (s *Source) listPlace(ctx context.Context, at place, held *moment) error {
	options := metav1.ListOptions{Limit: listPage}
	for {
		page, err := s.at(at).List(ctx, options)
		if err != nil {
			return err //nolint:wrapcheck // the caller says what was read
		}
		for i := range page.Items {
			e := s.memory.read(at.resource, &page.Items[i])
			held.entries = append(held.entries, e)
			held.revision = max(held.revision, e.revision)
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

// at returns the client of a place.
func (s *Source) at(at place) dynamic.ResourceInterface {
	if at.namespace == "" {
		return s.client.Resource(at.id())
	}
	return s.client.Resource(at.id()).Namespace(at.namespace)
}

// InStep implements [source.Dated]. Where nothing changes, the cluster is asked every
// few seconds.
func (s *Source) InStep() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inStep
}

// Close ends the connections to the cluster, those in use too. The source may be
// used again.
func (s *Source) Close() { s.dialer.CloseAll() }

// delivered notes what the source's user knows, and when that was so.
func (s *Source) delivered(held *moment, inStep time.Time) {
	digest := held.digest()
	defer wake(s.moved)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.forget(s.held, held)
	s.known, s.held = &digest, held
	if len(held.troubles) == 0 && inStep.After(s.inStep) {
		s.inStep = inStep
	}
}

func (s *Source) lastKnown() *[sha256.Size]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// lastHeld returns the objects that the source's user knows of.
func (s *Source) lastHeld() *moment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}
