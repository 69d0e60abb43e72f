package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/server/h2"
	"github.com/corsgate/corsgate/server/policyservice"
)

// What applies where Options leaves a field zero.
const (
	defaultMaxMessageBytes = 4 << 20
	defaultSocketMode      = fs.FileMode(0o660)
)

// Options is how a server runs.
type Options struct {
	// Listen are the addresses for Envoy: host:port or unix:///path.
	Listen []string
	// Admin is the address for people and for monitoring. Empty, there is none.
	Admin string
	// AdminHosts are names by which browsers may reach the admin listener,
	// beside IP addresses and localhost.
	AdminHosts []string
	// SocketMode is the mode of the files of Unix sockets; 0660 if it is zero.
	SocketMode fs.FileMode
	// TLS secures what Listen names.
	TLS TLSOptions
	// MayBeEmpty says that there may be no policy at all, as in a store whose policies
	// come one by one. Otherwise that is taken for a mistake.
	MayBeEmpty bool
	// Webhook is how the validating webhook of a Kubernetes cluster is answered.
	Webhook WebhookOptions
	// AdminTLS secures what Admin names. Where it names authorities, a client may
	// show a certificate, by which the policy service knows it.
	AdminTLS TLSOptions
	// AccessFile says who may use the policy service. Empty, everybody may who can
	// reach Admin on loopback or on a Unix socket, and nobody from elsewhere.
	AccessFile string
	// Store keeps the policies. Nil, they cannot be changed through the policy
	// service. With it, there may be no policy at all: the first one comes through
	// the service.
	Store store.Store
	// Fleet, unless nil, is told what is in force here, and knows the other replicas.
	Fleet store.Fleet
	// ReplicaID is what this replica is called in Fleet; a name is made up if it is
	// empty.
	ReplicaID string
	// Policy is what a set depends on besides its documents.
	Policy policy.Options
	// DrainDelay is how long the server goes on as before after it was told to
	// stop, but says that it is not ready, so that Envoy can look elsewhere.
	DrainDelay time.Duration
	// DrainTimeout is how long calls in flight may take after that.
	DrainTimeout time.Duration
	// MaxConnectionAge is after how long clients are asked to reconnect. Zero is
	// never.
	MaxConnectionAge time.Duration
	// MaxMessageBytes bounds a CheckRequest; 4 MiB if it is zero.
	MaxMessageBytes int
	// StartTimeout is for how long to try to read the first policies where their
	// source cannot be read. Zero is to try once.
	StartTimeout time.Duration
	// MaxStaleness, unless zero, is for how long the server may be ready while it is
	// not known whether the source holds something newer. It decides all the same.
	MaxStaleness time.Duration
	// Build is what is known about this program.
	Build Build
	// Logger gets one line for each thing that people should know of.
	Logger *slog.Logger
	// Ready, unless nil, is called once, when requests are being decided.
	Ready func(Bound)
	// Loaded, unless nil, is called after each attempt to put a snapshot in force, one
	// at a time: with all problems that were found, and the set, nil where it was
	// rejected. It must not take long.
	Loaded func(source.Snapshot, policy.Problems, *policy.Set)
	// Reload, unless nil, asks to read the policies now with each value.
	Reload <-chan struct{}
	// Abort, unless nil, ends a drain at once when it is closed.
	Abort <-chan struct{}
}

// Bound is where a server listens.
type Bound struct {
	// Listen are in the order of Options.Listen.
	Listen []net.Addr
	// Admin is nil where there is none.
	Admin net.Addr
	// Webhook is nil where there is none.
	Webhook net.Addr
}

// A Server answers Envoy. It runs once.
type Server struct {
	options  Options
	source   source.Source
	logger   *slog.Logger
	metrics  *metrics
	policies *Policies
	pages    *pages
	state    atomic.Int32
	// waiting is why the first policies could not be read yet, or nil.
	waiting atomic.Pointer[error]

	service   *policyservice.Service
	replicaID string
	// access and adminAddr are set by Run before anything is answered.
	access    *access.File
	adminAddr net.Addr
}

// What a server is doing.
const (
	stateStarting int32 = iota
	stateReady
	stateDraining
)

// New makes a server. It opens nothing yet.
func New(src source.Source, options Options) (*Server, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.MaxMessageBytes == 0 {
		options.MaxMessageBytes = defaultMaxMessageBytes
	}
	if options.SocketMode == 0 {
		options.SocketMode = defaultSocketMode
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	m := newMetrics(options.Build)
	s := &Server{
		options:   options,
		source:    src,
		logger:    options.Logger,
		metrics:   m,
		policies:  newPolicies(options.Policy, m, options.Logger, time.Now),
		pages:     pages,
		replicaID: cmp.Or(options.ReplicaID, NewReplicaID()),
	}
	m.staleness, m.snapshotSaved = s.staleness, s.snapshotSaved
	s.policies.mayBeEmpty = options.MayBeEmpty || options.Store != nil
	s.service = s.newService()
	return s, nil
}

// Policies is what is in force.
func (s *Server) Policies() *Policies { return s.policies }

// Run binds, loads TLS and policies, serves until ctx ends, and drains. It
// returns nil after an orderly stop. Policies that are broken at the start are
// an error of type policy.Problems.
func (s *Server) Run(ctx context.Context) error {
	listeners, err := s.bind(ctx)
	if err != nil {
		return err
	}
	// Each listener is closed by what serves it; closing twice does no harm, and
	// an early return must not leave a socket file behind.
	defer listeners.close()

	if err := s.openAccess(ctx); err != nil {
		return err
	}
	if s.access != nil {
		defer s.access.Close()
	}
	defer s.service.Close()
	s.warnOfClearText(ctx, listeners)
	var adminKeeper *keeper
	if s.options.AdminTLS.Enabled() {
		if adminKeeper, err = newKeeper(s.options.AdminTLS.forAdmin(), s.logger); err != nil {
			return err
		}
	}
	var tlsKeeper *keeper
	if s.options.TLS.Enabled() {
		if tlsKeeper, err = newKeeper(s.options.TLS, s.logger); err != nil {
			return err
		}
	}

	var webhookKeeper *keeper
	if listeners.webhook != nil {
		if webhookKeeper, err = newKeeper(s.options.Webhook.TLS, s.logger); err != nil {
			return err
		}
	}

	// The units outlive ctx: stopping is a sequence of its own, which ends by
	// ending this context.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, running := errgroup.WithContext(running)
	if listeners.admin != nil {
		s.adminAddr = listeners.admin.Addr()
		group.Go(func() error { return s.serveAdmin(running, listeners.admin, adminKeeper) })
	}
	if listeners.webhook != nil {
		group.Go(func() error { return s.serveWebhook(running, listeners.webhook, webhookKeeper) })
	}
	group.Go(func() error {
		defer stop()
		return s.serveDecisions(ctx, running, tlsKeeper, listeners)
	})
	return group.Wait()
}

// serveDecisions loads the policies, says that the server is ready, and answers
// Envoy until ctx or running ends; then it drains.
func (s *Server) serveDecisions(ctx, running context.Context, tlsKeeper *keeper, listeners *listeners) error {
	if err := s.loadFirst(ctx); err != nil {
		return err
	}
	//nolint:contextcheck // a handshake has a context of its own, which the TLS configuration uses
	front := newFront(&s.options, tlsKeeper, s.policies, s.metrics, s.logger)
	defer front.Close()

	group, serving := errgroup.WithContext(running)
	for _, listener := range listeners.grpc {
		group.Go(func() error { //nolint:contextcheck // connections end with the front, which outlives ctx
			// One that is told to stop before it began has nothing to complain of.
			if err := front.Serve(listener); err != nil && !errors.Is(err, h2.ErrServerClosed) {
				return fmt.Errorf("answering on %s: %w", listener.Addr(), err)
			}
			return nil
		})
	}
	watching, stopWatching := context.WithCancel(serving)
	group.Go(func() error {
		inBackground(func() { s.follow(watching) })
		return nil
	})
	group.Go(func() error {
		inBackground(func() { s.policies.expire(watching) })
		return nil
	})
	group.Go(func() error {
		s.showStaleness(watching, front.health)
		return nil
	})
	group.Go(func() error {
		s.announce(watching)
		return nil
	})
	group.Go(func() error {
		// Last of all, so that a change during the drain is still followed.
		defer stopWatching()
		select {
		case <-ctx.Done():
		case <-serving.Done():
		}
		s.drain(front, serving)
		return nil
	})

	s.state.Store(stateReady)
	setHealth(front.health, s.tooStale() == "")
	bound := listeners.bound()
	s.logger.LogAttrs(ctx, slog.LevelInfo, "ready",
		slog.Any("listen", addresses(bound.Listen)), slog.Bool("tls", tlsKeeper != nil),
		slog.String("admin", address(bound.Admin)), slog.String("webhook", address(bound.Webhook)), slog.String("version", s.options.Build.Version))
	if s.options.Ready != nil {
		s.options.Ready(bound)
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "stopped")
	return nil
}

// follow keeps the set in force in step with its source until ctx ends, and
// reads it anew when asked to. Reading interrupts watching, so that two readings
// can never arrive in the wrong order. If watching fails, the set in force goes
// on deciding, and everything that shows how loading stands says so.
func (s *Server) follow(ctx context.Context) {
	// It watches once though ctx may have ended: a source that keeps what is good
	// does so while it is watched.
	for {
		requested, err := s.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		if !requested {
			s.policies.Fail(ctx, fmt.Errorf("watching policies, which ends until a reload is requested: %w",
				cmp.Or(err, errWatchEnded)))
			select {
			case <-ctx.Done():
				return
			case <-s.options.Reload:
			}
		}
		s.reload(ctx)
	}
}

// errWatchEnded is of a source that ended its Watch without a reason.
var errWatchEnded = errors.New("the source stopped watching")

// watch follows the source until ctx ends or a reload is requested, and says
// whether one was.
func (s *Server) watch(ctx context.Context) (requested bool, err error) {
	watching, stop := context.WithCancel(ctx)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		defer stop()
		select {
		case <-watching.Done():
		case <-s.options.Reload:
			requested = true
		}
	}()
	err = s.source.Watch(watching, func(snapshot source.Snapshot) { s.load(ctx, snapshot) })
	stop()
	<-listening
	return requested, err
}

// reload reads the policies now.
func (s *Server) reload(ctx context.Context) {
	s.logger.LogAttrs(ctx, slog.LevelInfo, "reload requested")
	snapshot, err := s.source.Load(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.policies.Fail(ctx, err)
	default:
		s.load(ctx, snapshot)
	}
}

// drain stops in order: say that the server is not ready, go on while Envoy
// notices, let calls in flight end, and stop. Each wait is bounded, and ends
// early when abort is closed or another unit failed.
func (s *Server) drain(front *front, serving context.Context) {
	s.state.Store(stateDraining)
	front.health.Shutdown() // for good
	s.logger.LogAttrs(serving, slog.LevelInfo, "draining",
		slog.String("delay", s.options.DrainDelay.String()), slog.String("timeout", s.options.DrainTimeout.String()))
	defer front.Close()
	if !s.wait(serving, s.options.DrainDelay, nil) {
		return
	}

	waiting, stop := context.WithTimeout(context.WithoutCancel(serving), s.options.DrainTimeout)
	defer stop()
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		if err := front.Shutdown(waiting); errors.Is(err, context.DeadlineExceeded) {
			s.logger.LogAttrs(waiting, slog.LevelWarn, "calls were still in flight; they are cut off",
				slog.String("after", s.options.DrainTimeout.String()))
		}
	}()
	if !s.wait(serving, s.options.DrainTimeout, graceful) {
		stop()
	}
	<-graceful
}

// wait waits until done is closed, for a time at the most, and says whether
// nothing cut it short.
func (s *Server) wait(serving context.Context, limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return true
	case <-s.options.Abort:
		return false
	case <-serving.Done():
		return false
	}
}

// listeners are all that a server listens on.
type listeners struct {
	grpc  []net.Listener
	admin net.Listener
	// webhook is nil where there is none.
	webhook net.Listener
}

// bind opens every address, and reports every one that cannot be.
func (s *Server) bind(ctx context.Context) (*listeners, error) {
	bound, errs := &listeners{}, []error(nil)
	for _, address := range s.options.Listen {
		listener, err := listen(ctx, address, s.options.SocketMode)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		bound.grpc = append(bound.grpc, listener)
	}
	if s.options.Admin != "" {
		listener, err := listen(ctx, s.options.Admin, s.options.SocketMode)
		if err != nil {
			errs = append(errs, err)
		} else {
			bound.admin = listener
		}
	}
	if s.options.Webhook.Address != "" {
		listener, err := listen(ctx, s.options.Webhook.Address, s.options.SocketMode)
		if err != nil {
			errs = append(errs, err)
		} else {
			bound.webhook = listener
		}
	}
	if len(errs) > 0 {
		bound.close()
		return nil, errors.Join(errs...)
	}
	return bound, nil
}

// close closes what is still open.
func (l *listeners) close() {
	for _, listener := range l.grpc {
		_ = listener.Close() // closed already, as a rule
	}
	if l.admin != nil {
		_ = l.admin.Close()
	}
	if l.webhook != nil {
		_ = l.webhook.Close()
	}
}

func (l *listeners) bound() Bound {
	var bound Bound
	for _, listener := range l.grpc {
		bound.Listen = append(bound.Listen, listener.Addr())
	}
	if l.admin != nil {
		bound.Admin = l.admin.Addr()
	}
	if l.webhook != nil {
		bound.Webhook = l.webhook.Addr()
	}
	return bound
}

func addresses(all []net.Addr) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = address(one)
	}
	return out
}

// address returns an address as --listen takes it.
func address(addr net.Addr) string {
	switch {
	case addr == nil:
		return ""
	case addr.Network() == "unix":
		return unixScheme + addr.String()
	default:
		return addr.String()
	}
}

// serveAdmin answers people and monitoring until ctx ends.
func (s *Server) serveAdmin(ctx context.Context, listener net.Listener, tlsKeeper *keeper) error {
	server := newAdminServer(s.adminHandler(), s.logger)
	serve := server.Serve
	if tlsKeeper != nil {
		server.TLSConfig = tlsKeeper.config() //nolint:contextcheck // a handshake has a context of its own
		serve = func(listener net.Listener) error { return server.ServeTLS(listener, "", "") }
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answering on the admin listener %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		s.service.Close() // watches would last for ever
		// What is still being answered here is a page, a scrape or a call; it has a
		// moment.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminGrace)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			return errors.Join(server.Close())
		}
		return nil
	})
	return group.Wait()
}
