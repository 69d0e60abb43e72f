package access_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/goleak"

	"github.com/corsgate/corsgate/server/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is an OpenID Connect provider, as far as who verifies its tokens needs
// one.
type provider struct {
	*httptest.Server

	mu    sync.Mutex
	keys  jose.JSONWebKeySet
	asked atomic.Int32 // how often keys were fetched
	away  atomic.Bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, body any) {
		if p.away.Load() {
			http.Error(w, "down for a moment", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
			"authorization_endpoint": p.URL + "/authorize", "response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		answer(w, p.keys)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// key makes a key, and publishes it.
func (p *provider) key(t *testing.T, id string, publish bool) jose.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if publish {
		p.mu.Lock()
		p.keys.Keys = append(p.keys.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: id, Algorithm: "ES256", Use: "sig"})
		p.mu.Unlock()
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// sign makes an ID token with claims beside those that every one has.
func (p *provider) sign(t *testing.T, signer jose.Signer, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": p.URL, "aud": "corsgate", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	token, err := jwt.Signed(signer).Claims(all).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func issuerFile(url, more string) string {
	return document(fmt.Sprintf(`  issuers:
  - {name: sso, issuer: %q, audience: corsgate%s}
  bindings:
  - {subjects: ["sso:alice"], role: VIEWER}
  - {groups: ["sso:platform"], role: ADMIN}
`, url, more))
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	signer, stranger := p.key(t, "one", true), p.key(t, "one", false)
	byName := open(t, issuerFile(p.URL, ""))
	byEmail := open(t, issuerFile(p.URL, ", nameClaim: email"))
	unsigned := func() string {
		parts := strings.Split(p.sign(t, signer, nil), ".")
		return "eyJhbGciOiJub25lIn0." + parts[1] + "."
	}
	for name, test := range map[string]struct {
		file   *access.File
		token  string
		want   string
		writes bool
		err    string
	}{
		"a good token":            {file: byName, token: p.sign(t, signer, nil), want: "sso:alice"},
		"a group":                 {file: byName, token: p.sign(t, signer, map[string]any{"sub": "bob", "groups": []string{"x", "platform"}}), want: "sso:bob", writes: true},
		"a group alone":           {file: byName, token: p.sign(t, signer, map[string]any{"sub": "bob", "groups": "platform"}), want: "sso:bob", writes: true},
		"several audiences":       {file: byName, token: p.sign(t, signer, map[string]any{"aud": []string{"x", "corsgate"}}), want: "sso:alice"},
		"a verified email":        {file: byEmail, token: p.sign(t, signer, map[string]any{"email": "a@shop.example", "email_verified": true}), want: "sso:a@shop.example"},
		"an email of anybody":     {file: byEmail, token: p.sign(t, signer, map[string]any{"email": "a@shop.example", "email_verified": false}), err: "does not say that its email is verified"},
		"an email without a word": {file: byEmail, token: p.sign(t, signer, map[string]any{"email": "a@shop.example"}), err: "does not say that its email is verified"},
		"no email":                {file: byEmail, token: p.sign(t, signer, nil), err: `has no name in its claim "email"`},
		"another audience":        {file: byName, token: p.sign(t, signer, map[string]any{"aud": "somebody"}), err: `get one whose audience is "corsgate"`},
		"no audience":             {file: byName, token: p.sign(t, signer, map[string]any{"aud": nil}), err: `get one whose audience is "corsgate"`},
		"an expired token":        {file: byName, token: p.sign(t, signer, map[string]any{"exp": 1_600_000_000}), err: "the ID token was good until 2020-09-13T12:26:40Z; get another from " + p.URL},
		"a token without an end":  {file: byName, token: p.sign(t, signer, map[string]any{"exp": nil}), err: "the ID token was good until"},
		"a token of the future":   {file: byName, token: p.sign(t, signer, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), err: "before the nbf"},
		"a stranger's signature":  {file: byName, token: p.sign(t, stranger, nil), err: "is not signed by a key of " + p.URL},
		"no signature":            {file: byName, token: unsigned(), err: "is not good"},
		"another issuer":          {file: byName, token: p.sign(t, signer, map[string]any{"iss": "https://login.example"}), err: `"https://login.example" issued it, which is none of the issuers here`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caller, err := test.file.Authenticate(bearer(t, test.token))
			if test.err != "" {
				if caller != nil || err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("%v, %v, want %q", caller, err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if caller.Name != test.want || caller.MayWrite() != test.writes {
				t.Errorf("%q, writes: %v, want %q, %v", caller.Name, caller.MayWrite(), test.want, test.writes)
			}
		})
	}
}

// TestIssuerKeys takes up a new key by itself, and does not ask for keys as often
// as somebody likes.
func TestIssuerKeys(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	first := p.key(t, "one", true)
	file := open(t, issuerFile(p.URL, ""))
	if _, err := file.Authenticate(bearer(t, p.sign(t, first, nil))); err != nil {
		t.Fatal(err)
	}
	second := p.key(t, "two", true)
	if _, err := file.Authenticate(bearer(t, p.sign(t, second, nil))); err != nil {
		t.Fatalf("a token with the new key: %v", err)
	}
	var last error
	for i := range 50 {
		_, last = file.Authenticate(bearer(t, p.sign(t, p.key(t, fmt.Sprint("forged-", i), false), nil)))
		if last == nil {
			t.Fatal("a forged token is good")
		}
	}
	if asked := p.asked.Load(); asked > 6 {
		t.Errorf("the issuer was asked for its keys %d times", asked)
	}
	if challenge, ok := errors.AsType[*access.Challenge](last); !ok || !challenge.Unavailable || !strings.Contains(last.Error(), "try again in ten seconds") {
		t.Errorf("the last refusal: %v", last)
	}
	if _, err := file.Authenticate(bearer(t, p.sign(t, second, nil))); err != nil {
		t.Errorf("a good token after that: %v", err)
	}
}

// TestIssuerAway is of an issuer that cannot be asked at first, and then can.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	signer := p.key(t, "one", true)
	p.away.Store(true)
	file := open(t, issuerFile(p.URL, ""))
	_, err := file.Authenticate(bearer(t, p.sign(t, signer, nil)))
	challenge, ok := errors.AsType[*access.Challenge](err)
	if !ok || !challenge.Unavailable || !strings.Contains(err.Error(), "the issuer "+p.URL+" cannot be asked") {
		t.Fatalf("%v, want that the issuer cannot be asked", err)
	}
	p.away.Store(false)
	if _, err := file.Authenticate(bearer(t, p.sign(t, signer, nil))); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

// TestIssuerSilent has one caller wait for an issuer that does not answer; another who
// has left does not wait behind it.
func TestIssuerSilent(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	file := open(t, issuerFile(server.URL, ""))
	p := newProvider(t)
	token := p.sign(t, p.key(t, "one", false), map[string]any{"iss": server.URL})
	var over atomic.Bool
	first := make(chan error, 1)
	go func() {
		_, err := file.Authenticate(bearer(t, token))
		over.Store(true)
		first <- err
	}()
	<-asked
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := file.Authenticate(bearer(t, token).WithContext(gone))
	if challenge, ok := errors.AsType[*access.Challenge](err); !ok || !challenge.Unavailable || over.Load() {
		t.Errorf("%v, after the first had its answer: %t", err, over.Load())
	}
	close(answer)
	if err := <-first; err == nil {
		t.Error("a token of an issuer that says nothing is good")
	}
}
