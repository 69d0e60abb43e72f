package e2e_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
)

// closed is what a request gets while corsgate cannot be asked: no CORS header,
// and Vary, because another answer may come.
var closed = answered(http.StatusServiceUnavailable, headers{"vary": "Origin"})

func hasPath(path, address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.HasPrefix(path, u.Path)
}

// TestCorsgateDown stops corsgate: what asks it is refused, the rest goes on.
func TestCorsgateDown(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	if err := h.corsgate.Kill(); err != nil {
		t.Fatal(err)
	}
	h.overBoth(t, func(t *testing.T, c *client) {
		expectAll(t, c, map[string]outcome{
			"no Origin":          {ask("GET", orders), forwarded(fromService)},
			"same-origin":        {ask("POST", orders, "Origin", "null", "Sec-Fetch-Site", "same-origin"), forwarded(fromService)},
			"an origin allowed":  {ask("GET", orders, "Origin", shop), closed},
			"an origin foreign":  {ask("GET", orders, "Origin", foreign), closed},
			"a preflight":        {preflight(orders, shop, "GET", ""), closed},
			"its own origin":     {ask("GET", orders, "Origin", "http://api.shop.example"), closed},
			"a public API's too": {ask("GET", "http://assets.shop.example/font", "Origin", shop), answered(http.StatusServiceUnavailable, headers{"access-control-allow-origin": "*"})},
		})
	})
	if got, _, _ := h.client(t, http1).handshake(t, "/v1/socket", foreign); got.Status != http.StatusServiceUnavailable || got.Reached {
		t.Errorf("a WebSocket handshake got %+v, want 503", got)
	}
	if n := h.stat(t, "http.ingress.ext_authz.cors.error"); n != 11 {
		t.Errorf("Envoy counts %d errors, want 11", n)
	}
}

// TestCorsgateInTrouble shows the faults of a corsgate that answers late, with
// an error, or with a header that would split.
func TestCorsgateInTrouble(t *testing.T) {
	t.Parallel()
	h := build(t, plan{authz: startScript(t)})
	h.overBoth(t, func(t *testing.T, c *client) {
		expectAll(t, c, map[string]outcome{
			"slow":             {ask("GET", scriptSlow, "Origin", shop), closed},
			"slow, preflight":  {preflight(scriptSlow, shop, "GET", ""), closed},
			"an error":         {ask("GET", scriptError, "Origin", shop), closed},
			"no call, no wait": {ask("GET", scriptSlow), forwarded(fromService)},
			"well":             {ask("GET", scriptAllow, "Origin", shop), forwarded(with(fromService, "access-control-allow-origin", shop))},
			"a split header":   {ask("GET", scriptSplit, "Origin", shop), answered(http.StatusInternalServerError, headers{"vary": "Origin"})},
		})
	})
	if n := h.stat(t, "http.ingress.ext_authz.cors.error"); n != 6 {
		t.Errorf("Envoy counts %d errors, want 6", n)
	}
	if n := h.stat(t, "http.ingress.ext_authz.cors.invalid"); n != 2 {
		t.Errorf("Envoy counts %d invalid answers, want 2", n)
	}
}

// TestWhatCorsgateSees wants Envoy to send what decides, and no secrets.
func TestWhatCorsgateSees(t *testing.T) {
	t.Parallel()
	want := headers{
		"origin":                         shop,
		"access-control-request-method":  "PUT",
		"access-control-request-headers": "x-one",
		"upgrade":                        "websocket",
		"sec-fetch-site":                 "cross-site",
		"sec-fetch-mode":                 "cors",
	}
	for file, extensions := range map[string]headers{
		"envoy.yaml":        {"corsgate.vary": "route"},
		"envoy-routes.yaml": {"corsgate.vary": "route"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := &script{asked: make(chan *authv3.AttributeContext, 1)}
			h := build(t, plan{file: file, authz: serveScript(t, s)})
			q := ask("GET", scriptAllow, "Cookie", "secret=1", "Authorization", "Bearer secret", "X-Other", "1", "Connection", "Upgrade")
			for name, value := range want {
				q.headers = append(q.headers, [2]string{name, value})
			}
			if _, _, _, err := h.client(t, http1).send(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			if len(s.asked) == 0 {
				t.Fatal("Envoy did not ask")
			}
			got := <-s.asked
			if diff := cmp.Diff(want, got.GetRequest().GetHttp().GetHeaders()); diff != "" {
				t.Errorf("the headers differ (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(extensions, got.GetContextExtensions()); diff != "" {
				t.Errorf("the extensions differ (-want +got):\n%s", diff)
			}
			if scheme := got.GetRequest().GetHttp().GetScheme(); scheme != "http" {
				t.Errorf("the scheme is %q, want http", scheme)
			}
		})
	}
}

// TestFailureModeAllow is for those who choose the other failure mode: requests
// reach the service, and scripts still read nothing.
func TestFailureModeAllow(t *testing.T) {
	t.Parallel()
	open := func(b *bootstrap) { b.filter()["failure_mode_allow"] = true }
	t.Run("in trouble", func(t *testing.T) {
		t.Parallel()
		build(t, plan{authz: startScript(t), change: open}).overBoth(t, func(t *testing.T, c *client) {
			expectAll(t, c, map[string]outcome{
				"slow":           {ask("GET", scriptSlow, "Origin", foreign), forwarded(fromService)},
				"an error":       {ask("GET", scriptError, "Origin", foreign), forwarded(fromService)},
				"a split header": {ask("GET", scriptSplit, "Origin", shop), answered(http.StatusInternalServerError, headers{"vary": "Origin"})},
			})
		})
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		h := build(t, plan{change: open})
		c := h.client(t, http1)
		expectAll(t, c, map[string]outcome{
			"before": {ask("GET", orders, "Origin", foreign), answered(http.StatusForbidden, refused)},
		})
		if err := h.corsgate.Kill(); err != nil {
			t.Fatal(err)
		}
		h.overBoth(t, func(t *testing.T, c *client) {
			expectAll(t, c, map[string]outcome{
				"an origin foreign": {ask("GET", orders, "Origin", foreign), forwarded(fromService)},
				"a preflight":       {preflight(orders, shop, "GET", ""), forwarded(fromService)},
			})
		})
	})
}

// An outcome is a question and its answer.
type outcome struct {
	ask  question
	want answer
}

func expectAll(t *testing.T, c *client, outcomes map[string]outcome) {
	t.Helper()
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			got, _, body, err := c.send(ctx, o.ask)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, o.want)
			if strings.Contains(body, "injected") {
				t.Errorf("the body shows what was injected: %q", body)
			}
		})
	}
}
