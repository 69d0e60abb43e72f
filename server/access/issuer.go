package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// issuerTimeout bounds each question to an issuer.
	issuerTimeout = 10 * time.Second
	// issuerMaxBody is how much of its answer is read.
	issuerMaxBody = 1 << 20
	// An issuer is asked a few times at once, and then once in a while: whoever
	// shows tokens that are signed by nobody must not make us ask forever.
	issuerBurst = 5
	issuerPause = 10 * time.Second
)

// errAskedEnough is of an issuer that was asked too often just now.
var errAskedEnough = errors.New("the issuer was asked for its keys moments ago; try again in ten seconds")

// issuerSettings is an issuer of the access file.
type issuerSettings struct {
	name, url, audience, nameClaim, groupsClaim string
}

// An issuer verifies ID tokens. It asks for its configuration and keys when they
// are first needed, and keeps them.
type issuer struct {
	settings issuerSettings
	client   *http.Client
	now      func() time.Time

	// asking is held by who asks the issuer for its configuration.
	asking   chan struct{}
	verifier atomic.Pointer[oidc.IDTokenVerifier]
}

func newIssuer(settings issuerSettings, now func() time.Time) *issuer {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: issuerTimeout, MaxIdleConns: 1,
	}
	return &issuer{
		settings: settings,
		client:   &http.Client{Timeout: issuerTimeout, Transport: &bounded{next: transport, now: now, left: issuerBurst, at: now()}},
		now:      now,
		asking:   make(chan struct{}, 1),
	}
}

// close lets go of connections.
func (i *issuer) close() { i.client.CloseIdleConnections() }

// verify returns the subject and the groups of a token's bearer.
func (i *issuer) verify(ctx context.Context, raw string) (subject string, groups []string, err error) {
	verifier, err := i.ready(ctx)
	if err != nil {
		return "", nil, err
	}
	verified, err := verifier.Verify(oidc.ClientContext(ctx, i.client), raw)
	if err != nil {
		return "", nil, i.explain(err)
	}
	var claims map[string]json.RawMessage
	if err := verified.Claims(&claims); err != nil {
		return "", nil, fmt.Errorf("read the claims: %w", err)
	}
	name, err := i.nameOf(claims)
	if err != nil {
		return "", nil, err
	}
	for _, group := range textsOf(claims[i.settings.groupsClaim]) {
		groups = append(groups, i.settings.name+":"+group)
	}
	return i.settings.name + ":" + name, groups, nil
}

// errAsking is of an issuer that does not answer who asked it first.
var errAsking = errors.New("it is being asked for its configuration, and does not answer")

// ready returns the verifier, after asking the issuer for its configuration where
// that has not been done. Whoever shows a token, be it forged, waits no longer than
// one question takes.
func (i *issuer) ready(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	if verifier := i.verifier.Load(); verifier != nil {
		return verifier, nil
	}
	wait := time.NewTimer(issuerTimeout)
	defer wait.Stop()
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-ctx.Done():
		return nil, &unreachableIssuer{url: i.settings.url, err: ctx.Err()}
	case <-wait.C:
		return nil, &unreachableIssuer{url: i.settings.url, err: errAsking}
	}
	if verifier := i.verifier.Load(); verifier != nil {
		return verifier, nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.settings.url)
	if err != nil {
		return nil, &unreachableIssuer{url: i.settings.url, err: err}
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: i.settings.audience, Now: i.now})
	i.verifier.Store(verifier)
	return verifier, nil
}

// unreachableIssuer is of an issuer whose keys cannot be had: no fault of the
// caller.
type unreachableIssuer struct {
	url string
	err error
}

func (e *unreachableIssuer) Error() string {
	return fmt.Sprintf("the issuer %s cannot be asked: %v", e.url, e.err)
}

func (e *unreachableIssuer) Unwrap() error { return e.err }

// explain puts why a token is not good into words.
func (i *issuer) explain(err error) error {
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return fmt.Errorf("the ID token was good until %s; get another from %s", expired.Expiry.UTC().Format(time.RFC3339), i.settings.url)
	}
	text := strings.TrimPrefix(err.Error(), "oidc: ")
	switch {
	case strings.Contains(text, "fetching keys"):
		return &unreachableIssuer{url: i.settings.url, err: err}
	case strings.Contains(text, "expected audience"):
		return fmt.Errorf("the ID token is for somebody else (%s); get one whose audience is %q", text, i.settings.audience)
	case strings.Contains(text, "verify signature"), strings.Contains(text, "verify id token signature"):
		return fmt.Errorf("the ID token is not signed by a key of %s", i.settings.url)
	}
	return fmt.Errorf("the ID token of %s is not good: %s", i.settings.url, text)
}

// nameOf returns the caller's name. An address that nobody has verified is
// whatever somebody typed.
func (i *issuer) nameOf(claims map[string]json.RawMessage) (string, error) {
	claim := i.settings.nameClaim
	names := textsOf(claims[claim])
	if len(names) != 1 || names[0] == "" {
		return "", fmt.Errorf("the ID token has no name in its claim %q; choose another nameClaim, or let the issuer send it", claim)
	}
	if claim == "email" && !isTrue(claims["email_verified"]) {
		return "", errors.New("the ID token does not say that its email is verified; choose another nameClaim, such as sub")
	}
	return names[0], nil
}

// isTrue reports whether a claim is true. Some issuers write it as a text.
func isTrue(claim json.RawMessage) bool {
	text := string(claim)
	return text == "true" || text == `"true"`
}

// textsOf returns a claim that is a text or a list of texts.
func textsOf(claim json.RawMessage) []string {
	var one string
	if json.Unmarshal(claim, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(claim, &many) == nil {
		return many
	}
	return nil
}

// issuerOf returns the issuer that a token says it is of. Nothing is believed yet;
// it only tells whom to ask. It reports false for what is no such token.
func issuerOf(raw string) (string, bool) {
	const parts = 3
	pieces := strings.Split(raw, ".")
	if len(pieces) != parts {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(pieces[1])
	if err != nil {
		return "", false
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return "", false
	}
	return claims.Issuer, true
}

// bounded lets only so many requests through, and reads only so much of what
// comes back.
type bounded struct {
	next *http.Transport
	now  func() time.Time

	mu   sync.Mutex
	left int
	at   time.Time // when left last grew
}

// RoundTrip makes a request, or says that there were enough.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	if !b.take() {
		return nil, errAskedEnough
	}
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("ask the issuer: %w", err)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, issuerMaxBody), response.Body}
	return response, nil
}

// CloseIdleConnections closes what is not in use.
func (b *bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

func (b *bounded) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if grown := int(b.now().Sub(b.at) / issuerPause); grown > 0 {
		b.left = min(b.left+grown, issuerBurst)
		b.at = b.at.Add(time.Duration(grown) * issuerPause)
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}
