package policyservice

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/server/access"
)

// A gate stands before the service. It sees a request before its body is read:
// who makes it, whether a page of another site does, and whether there is room.
type gate struct {
	service *Service
	next    http.Handler
	refuse  *connect.ErrorWriter
	prefix  string
}

// A session is what is known of a call besides its message.
type session struct {
	caller *access.Caller
	peer   string
	// again says whether the caller is still who it was and still known.
	again func() (*access.Caller, error)
	// extend gives the call more time to send.
	extend func(time.Duration) error
	// begun says that the request has been read, and that the call may last.
	begun func()
	// read is set when the message of the request has been read.
	read bool
}

type sessionKey struct{}

// sessionOf returns what the gate found out.
func sessionOf(ctx context.Context) *session {
	if one, ok := ctx.Value(sessionKey{}).(*session); ok {
		return one
	}
	return &session{
		caller: &access.Caller{}, again: func() (*access.Caller, error) { return nil, errDefect },
		extend: func(time.Duration) error { return nil }, begun: func() {},
	}
}

// ServeHTTP lets a request through, or says why not.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, g.prefix)
	if !isMethod(method) {
		http.Error(w, "the policy service has no such method; it has "+strings.Join(methods(), ", "), http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "the policy service takes POST alone, with a JSON object as its body", http.StatusMethodNotAllowed)
		return
	}
	if why := foreign(r); why != "" {
		g.service.options.Observe(method, connect.CodePermissionDenied.String())
		g.audit(r, method, nil, connect.CodePermissionDenied, why)
		http.Error(w, why, http.StatusForbidden)
		return
	}
	if !isCall(r.Header.Get("Content-Type")) {
		w.Header().Set("Accept-Post", "application/json, application/proto, application/grpc, application/grpc-web, application/connect+json")
		http.Error(w, "the content type must be application/json, as in: curl -H 'Content-Type: application/json' -d '{}'", http.StatusUnsupportedMediaType)
		return
	}
	one, err := g.admit(w, r, method)
	if err != nil {
		g.fail(w, r, method, one, err)
		return
	}
	ctx := context.WithValue(r.Context(), sessionKey{}, one)
	if method != methodWatch {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	leave, err := g.enter(ctx, method)
	if err != nil {
		g.fail(w, r, method, one, err)
		return
	}
	defer leave()
	g.next.ServeHTTP(w, r.WithContext(ctx))
	if !one.read {
		// Its message could not be read, and the caller has been told.
		g.service.options.Observe(method, connect.CodeInvalidArgument.String())
		g.audit(r, method, one, connect.CodeInvalidArgument, "the request could not be read")
	}
}

// enter takes the place that a call needs, and returns what gives it back. Changes
// wait for theirs: who applies many at once is no attacker.
func (g *gate) enter(ctx context.Context, method string) (leave func(), err error) {
	places := g.service.calls
	switch method {
	case methodWatch:
		places = g.service.watches
	case methodApply:
		places = g.service.applies
		select {
		case places <- struct{}{}:
			return func() { <-places }, nil
		case <-ctx.Done():
			return nil, connect.NewError(connect.CodeDeadlineExceeded, errBusy)
		}
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("%d calls are being answered, and no more at once; try again", cap(places)))
	}
}

// admit says who makes a request and gives it its time. The listener's own
// deadlines are those of pages, and a large change takes longer.
func (g *gate) admit(w http.ResponseWriter, r *http.Request, method string) (*session, error) {
	one := &session{peer: r.RemoteAddr}
	caller, err := g.service.options.Access.Authenticate(r)
	if err != nil {
		code := connect.CodeUnauthenticated
		if challenge, ok := errors.AsType[*access.Challenge](err); ok && challenge.Unavailable {
			code = connect.CodeUnavailable
		}
		refusal := connect.NewError(code, err)
		if code == connect.CodeUnauthenticated {
			w.Header().Set("WWW-Authenticate", `Bearer realm="corsgate"`)
		}
		return one, refusal
	}
	one.caller = caller
	if !caller.MayRead() {
		return one, refused(caller.RefuseReading())
	}
	if writes(method) && !caller.MayWrite() {
		return one, refused(caller.RefuseWriting())
	}
	one.again = func() (*access.Caller, error) { return g.service.options.Access.Authenticate(r) }
	controller := http.NewResponseController(w)
	deadline := time.Now().Add(callTimeout)
	if err := errors.Join(controller.SetReadDeadline(deadline), controller.SetWriteDeadline(deadline)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return one, connect.NewError(connect.CodeInternal, fmt.Errorf("give the call its time: %w", err))
	}
	// Over HTTP/1.1 the end of the time for reading would look like the client's going
	// away.
	one.begun = func() { _ = controller.SetReadDeadline(time.Time{}) }
	one.extend = func(d time.Duration) error {
		err := controller.SetWriteDeadline(time.Now().Add(d))
		if errors.Is(err, http.ErrNotSupported) {
			return nil
		}
		return err
	}
	if limit := maxRequest(method); r.ContentLength > int64(limit) {
		return one, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf(
			"the request has %d MiB, and %d are the limit of %s; send it in parts", r.ContentLength>>20, limit>>20, method)) //nolint:mnd // bytes to MiB
	}
	return one, nil
}

// fail answers with an error, in the caller's protocol.
func (g *gate) fail(w http.ResponseWriter, r *http.Request, method string, one *session, err error) {
	code := connect.CodeOf(err)
	g.service.options.Observe(method, code.String())
	g.audit(r, method, one, code, messageOf(err))
	_ = g.refuse.Write(w, r, err) // the client may be gone; there is nobody to tell
}

// audit records a write that was refused before it was read.
func (g *gate) audit(r *http.Request, method string, one *session, code connect.Code, why string) {
	if !writes(method) {
		return
	}
	record := audit{method: method, peer: r.RemoteAddr, outcome: outcomeOf(code), code: code.String(), problem: why}
	if one != nil && one.caller != nil {
		record.who = one.caller.Name
	}
	g.service.record(r.Context(), &record)
}

// foreign says why a request is one that a page of another site makes, or nothing.
// Browsers say so themselves (Fetch Metadata; the Origin of every POST).
func foreign(r *http.Request) string {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "none", "same-origin":
	default:
		return "pages of other sites may not use the policy service (Sec-Fetch-Site: " + site + ")"
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return "pages of other sites may not use the policy service (Origin)"
		}
	}
	return ""
}

// isCall reports whether a content type is one that no form can send: a page of
// another site cannot make such a request without asking first.
func isCall(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/proto":
		return true
	}
	for _, prefix := range []string{"application/grpc", "application/connect+"} {
		if strings.HasPrefix(kind, prefix) {
			return true
		}
	}
	return false
}
