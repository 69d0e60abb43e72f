package e2e_test

import (
	"net/http"
	"testing"
)

// TestSkip holds both ways not to ask corsgate to their word, by Envoy's own
// count of calls. Vary must be there all the same.
func TestSkip(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"envoy.yaml", "envoy-routes.yaml"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			h := build(t, plan{file: file})
			h.overBoth(t, func(t *testing.T, c *client) {
				for _, q := range []question{
					ask("GET", orders),
					ask("OPTIONS", orders),
					ask("OPTIONS", orders, "Access-Control-Request-Method", "GET"),
					ask("POST", orders, "Sec-Fetch-Site", "cross-site"),
					ask("GET", orders, "Origin", ""),
					ask("POST", orders, "Origin", "https://api.shop.example", "Sec-Fetch-Site", "same-origin"),
					ask("POST", orders, "Origin", "null", "Sec-Fetch-Site", "same-origin"),
				} {
					h.expectChecks(t, c, q, 0, forwarded(fromService))
				}
				h.expectChecks(t, c, ask("GET", orders, "Origin", shop), 1, forwarded(storefront))
				h.expectChecks(t, c, ask("GET", orders, "Origin", shop, "Sec-Fetch-Site", "cross-site"), 1, forwarded(storefront))
				h.expectChecks(t, c, ask("GET", orders, "Origin", shop, "Sec-Fetch-Site", ""), 1, forwarded(storefront))
				h.expectChecks(t, c, ask("GET", orders, "Origin", foreign, "Sec-Fetch-Site", "none"), 1, answered(http.StatusForbidden, refused))
				h.expectChecks(t, c, preflight(orders, shop, "POST", "content-type"), 1, answered(http.StatusNoContent, storefrontPreflight))
			})
			if stat := h.stat(t, "http.ingress.ext_authz.cors.ok"); stat != 6 {
				t.Errorf("Envoy counts %d answers OK, want 6", stat)
			}
			if stat := h.stat(t, "http.ingress.ext_authz.cors.denied"); stat != 4 {
				t.Errorf("Envoy counts %d answers of corsgate's own, want 4", stat)
			}
			// Preflights and refusals are no responses of the service.
			if stat := h.stat(t, "cluster.service.upstream_rq_4xx"); stat != 0 {
				t.Errorf("Envoy counts %d refusals as the service's, want none", stat)
			}
		})
	}
}

// expectChecks sends a question and compares how often Envoy asked.
func (h *house) expectChecks(t *testing.T, c *client, q question, calls int64, want answer) {
	t.Helper()
	before := h.checks(t)
	got, _, _, err := c.send(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, want)
	if made := h.checks(t) - before; made != calls {
		t.Errorf("%s %v: Envoy asked %d times, want %d", q.method, q.headers, made, calls)
	}
}
