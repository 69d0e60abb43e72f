package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/server/policyservice"
)

// newService makes the policy service.
func (s *Server) newService() *policyservice.Service {
	return policyservice.New(policyservice.Options{
		Store:  s.options.Store,
		Fleet:  s.options.Fleet,
		Access: (*doorkeeper)(s),
		InForce: func() policyservice.InForce {
			status := s.policies.Status()
			return policyservice.InForce{
				Set: status.Set, Documents: status.Documents, Problems: status.Problems, Source: s.source.String(),
			}
		},
		Self:   s.replica,
		Policy: s.options.Policy,
		Now:    s.policies.now,
		Logger: s.logger,
		Observe: func(method, code string) {
			s.metrics.serviceRequests.WithLabelValues(method, code).Inc()
		},
	})
}

// A doorkeeper says who calls, by where the admin listener can be reached from and
// by what the access file says.
type doorkeeper Server

var _ policyservice.Authenticator = (*doorkeeper)(nil)

// Authenticate says who makes a request.
func (d *doorkeeper) Authenticate(request *http.Request) (*access.Caller, error) {
	switch {
	case d.access != nil:
		return d.access.Authenticate(request)
	case isLocal(d.adminAddr):
		return access.Local{}.Authenticate(request)
	default:
		return access.Nobody{}.Authenticate(request)
	}
}

// isLocal reports whether only who is on this machine can reach an address. One
// that is not bound nobody reaches.
func isLocal(addr net.Addr) bool {
	switch addr := addr.(type) {
	case nil, *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	default:
		return false
	}
}

// viewers lets only those look who may read policies, where an access file says who
// may and the listener can be reached from other machines. On loopback, and where
// nobody has said anything, the pages are as open as metrics are.
func (s *Server) viewers(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.access == nil || isLocal(s.adminAddr) {
			next(w, r)
			return
		}
		caller, err := s.access.Authenticate(r)
		switch {
		case err != nil:
			w.Header().Set("WWW-Authenticate", `Bearer realm="corsgate"`)
			code := http.StatusUnauthorized
			if challenge, ok := errors.AsType[*access.Challenge](err); ok && challenge.Unavailable {
				code = http.StatusServiceUnavailable
			}
			writeText(w, code, err.Error())
		case !caller.MayRead():
			writeText(w, http.StatusForbidden, caller.RefuseReading().Error())
		default:
			next(w, r)
		}
	}
}

// openAccess reads the access file, if there is one. What is wrong with it is not
// wrong with the policies, and so it is told as another error.
func (s *Server) openAccess(ctx context.Context) error {
	if s.options.AccessFile == "" {
		return nil
	}
	file, err := access.Open(ctx, s.options.AccessFile, s.logger)
	if err != nil {
		return errors.New(err.Error())
	}
	s.access = file
	return nil
}

// warnOfClearText says that tokens could be read on their way.
func (s *Server) warnOfClearText(ctx context.Context, bound *listeners) {
	if s.access == nil || bound.admin == nil || s.options.AdminTLS.Enabled() || isLocal(bound.admin.Addr()) {
		return
	}
	s.logger.LogAttrs(ctx, slog.LevelWarn, "tokens for the policy service come in clear text; name a certificate with --admin-tls-cert, unless something before this listener speaks TLS",
		slog.String("admin", address(bound.admin.Addr())))
}

// announcePause is how long to wait before this replica is announced again to a
// fleet that could not be told.
const announcePause = 5 * time.Second

// replica describes this replica, by what is in force.
func (s *Server) replica() store.Replica {
	status := s.policies.Status()
	r := store.Replica{
		ID: s.replicaID, Address: s.adminAddress(), Version: s.options.Build.Version,
		Revision: status.StoreRevision, Since: status.StoreSince, Seen: s.policies.now(),
	}
	if r.Since.IsZero() {
		r.Since = status.LoadedAt
	}
	if status.Set != nil {
		r.SetRevision = status.Set.Revision()
	}
	switch errs := status.Problems.Errors(); {
	case status.Failure != nil:
		r.Problem = status.Failure.Error()
	case len(errs) == 1:
		r.Problem = errs[0].Error()
	case len(errs) > 1:
		r.Problem = fmt.Sprintf("%d errors, the first of them: %s", len(errs), errs[0].Error())
	}
	return r
}

// adminAddress is where others may find the admin listener, as far as this replica
// knows.
func (s *Server) adminAddress() string {
	text := address(s.adminAddr)
	addr, ok := s.adminAddr.(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return text
	}
	host, err := os.Hostname()
	if err != nil {
		return text
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// announce lets the fleet know what is in force here, until ctx ends.
func (s *Server) announce(ctx context.Context) {
	if s.options.Fleet == nil {
		return
	}
	changes := make(chan store.Replica)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.tellChanges(ctx, changes)
	}()
	defer func() { <-ended }()
	for ctx.Err() == nil {
		err := s.options.Fleet.Announce(ctx, changes)
		if ctx.Err() != nil {
			return
		}
		s.logger.LogAttrs(ctx, slog.LevelWarn, "the fleet cannot be told of this replica; trying again",
			slog.String("in", announcePause.String()), slog.Any("error", err))
		again := time.NewTimer(announcePause)
		select {
		case <-ctx.Done():
		case <-again.C:
			s.policies.news.raise() // whoever announces now begins anew
		}
		again.Stop()
	}
}

// tellChanges sends what this replica is, at once and with each change. What was
// overtaken before anybody took it is not sent.
func (s *Server) tellChanges(ctx context.Context, changes chan<- store.Replica) {
	s.policies.news.raise()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.policies.news:
		}
		for pending := true; pending; {
			select {
			case <-ctx.Done():
				return
			case <-s.policies.news:
			case changes <- s.replica():
				pending = false
			}
		}
	}
}

// A signal says that something happened, once for all times that it did.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default: // it is raised already
	}
}

// servicePath begins the paths of the policy service.
const servicePath = "/corsgate.v1.PolicyService/"

// isServiceCall reports whether a request is one of the policy service, which has
// a guard of its own for what it takes.
func isServiceCall(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, servicePath) }

// NewReplicaID makes up what a replica is called: the machine's name, which in
// Kubernetes is the pod's, and something that tells two on one machine apart.
func NewReplicaID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "corsgate"
	}
	return host + "-" + strings.ToLower(rand.Text()[:replicaSuffix])
}

const replicaSuffix = 6
