package policyservice

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/server/access"
)

// What the service bounds.
const (
	// maxMessage is how large a request may be: a file of policies of the largest
	// size, and what JSON makes of its quotation marks.
	maxMessage = 80 << 20
	// maxFiles is how large all texts of one change may be together.
	maxFiles = 64 << 20
	// maxResponse is how much text an answer holds that can be asked for in parts.
	maxResponse = 32 << 20
	// maxCalls is how many calls are answered at once, and maxWatches how many of
	// those that last are.
	maxCalls   = 64
	maxWatches = 1000
	// maxApplies is how many changes are read at once, which may all be large; others
	// wait. maxQuestion is how large a request may be that is no change.
	maxApplies  = 8
	maxQuestion = 4 << 20
	// callTimeout is how long one may take, from its first byte to its last.
	callTimeout = 2 * time.Minute
	// keepAlive is how often a watch says that it still lives, and sendTimeout how
	// long it waits for who does not read.
	keepAlive   = 15 * time.Second
	sendTimeout = 30 * time.Second
)

// An Authenticator says who makes a request. Its error is an *access.Challenge.
type Authenticator interface {
	Authenticate(request *http.Request) (*access.Caller, error)
}

// InForce is the policies that decide in this process. Set is nil before any were
// loaded.
type InForce struct {
	Set       *policy.Set
	Documents []policy.Document
	Problems  policy.Problems
	// Source says where the policies come from, for people.
	Source string
}

// Options is what a service needs. Access and InForce are required.
type Options struct {
	// Store keeps policies. Nil, they come from where nothing can be written, and
	// what is in force is all there is to read.
	Store store.Store
	// Fleet knows the replicas. Nil, this one is all there are.
	Fleet store.Fleet
	// Access says who makes a request.
	Access Authenticator
	// InForce returns what is in force here.
	InForce func() InForce
	// Self returns what this replica would announce of itself.
	Self func() store.Replica
	// Policy is what a set depends on besides its documents.
	Policy policy.Options
	// Now is the clock.
	Now func() time.Time
	// Logger gets the audit records.
	Logger *slog.Logger
	// Observe, unless nil, is called with each request that was answered, by its
	// method and gRPC code.
	Observe func(method, code string)
}

// A Service answers calls. It is safe for use by many goroutines.
type Service struct {
	corsgatev1connect.UnimplementedPolicyServiceHandler

	options Options
	logger  *slog.Logger
	// turn lets one at a time do what compiles all policies: that must not take the
	// machine away from those who decide.
	turn chan struct{}
	// comparing is held while two sets are compared, which may outlast its call.
	comparing chan struct{}

	calls   chan struct{}
	applies chan struct{}
	watches chan struct{}
	// closed ends what lasts.
	closed context.Context //nolint:containedctx // it is the life of the service and not of a call
	close  context.CancelFunc
}

// New makes a service.
func New(options Options) *Service {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Observe == nil {
		options.Observe = func(string, string) {}
	}
	if options.Self == nil {
		options.Self = func() store.Replica { return store.Replica{} }
	}
	closed, cancel := context.WithCancel(context.Background())
	return &Service{
		options: options, logger: options.Logger, closed: closed, close: cancel,
		turn: make(chan struct{}, 1), comparing: make(chan struct{}, 1), calls: make(chan struct{}, maxCalls),
		applies: make(chan struct{}, maxApplies), watches: make(chan struct{}, maxWatches),
	}
}

// Close ends the calls that last, so that a listener can stop.
func (s *Service) Close() { s.close() }

// Handler returns the path below which the service answers, with a slash at its
// end, and what answers there.
func (s *Service) Handler() (string, http.Handler) {
	options := []connect.HandlerOption{
		connect.WithConditionalHandlerOptions(func(spec connect.Spec) []connect.HandlerOption {
			limit := maxRequest(methodOf(spec.Procedure))
			return []connect.HandlerOption{connect.WithReadMaxBytes(limit), withGzip(limit)}
		}),
		connect.WithCodec(strictJSON{name: "json"}),
		connect.WithCodec(strictJSON{name: "json; charset=utf-8"}),
		connect.WithCompressMinBytes(1 << 10),
		connect.WithRecover(s.recovered),
		connect.WithInterceptors(observer{s}),
	}
	path, handler := corsgatev1connect.NewPolicyServiceHandler(s, options...)
	return path, &gate{service: s, next: handler, refuse: connect.NewErrorWriter(options...), prefix: path}
}

// maxRequest is how large a request of a method may be.
func maxRequest(method string) int {
	if method == methodApply {
		return maxMessage
	}
	return maxQuestion
}

// recovered is what a caller gets where a defect was caught.
func (s *Service) recovered(ctx context.Context, spec connect.Spec, _ http.Header, panicked any) error {
	s.logger.LogAttrs(ctx, slog.LevelError, "a call of the policy service failed with a defect",
		slog.String("method", methodOf(spec.Procedure)), slog.Any("panic", panicked))
	return connect.NewError(connect.CodeInternal, errDefect)
}

// take waits for the one turn, and returns what gives it back.
func (s *Service) take(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return sync.OnceFunc(func() { <-s.turn }), nil
	case <-ctx.Done():
		return nil, connect.NewError(connect.CodeDeadlineExceeded, errBusy)
	}
}
