package e2e_test

import (
	"net/http"
	"testing"
)

// replies are answers that do not come from a service in good health.
var replies = []struct {
	name, url string
	status    int
	// own says that the service itself answers.
	own bool
}{
	{"500 of the service", "http://api.shop.example/v1/fail", 500, true},
	{"403 of a filter behind ours", "http://api.shop.example/v1/forbidden", 403, false},
	{"429 of a filter behind ours", "http://api.shop.example/v1/limited", 429, false},
	{"503 no healthy upstream", "http://api.shop.example/v1/nowhere", 503, false},
	{"503 connection refused", "http://api.shop.example/v1/refused", 503, false},
	{"504 the service hangs", "http://api.shop.example/v1/hang", 504, true},
	{"a direct response", "http://api.shop.example/v1/direct", 200, false},
	{"a redirect", "http://api.shop.example/v1/moved", 301, false},
}

// TestErrorReplies wants CORS headers on whatever response comes to an allowed
// origin: without them a script cannot read what went wrong. To other origins
// nothing of this is shown.
func TestErrorReplies(t *testing.T) {
	t.Parallel()
	h := build(t, plan{change: func(b *bootstrap) { addReplies(b, freeAddress(t)) }})

	// The first request takes the only token.
	if _, _, _, err := h.client(t, http1).send(t.Context(), ask("GET", "http://api.shop.example/v1/limited")); err != nil {
		t.Fatal(err)
	}
	h.overBoth(t, func(t *testing.T, c *client) {
		for _, r := range replies {
			t.Run(r.name, func(t *testing.T) {
				vary := "Origin"
				if r.status == http.StatusInternalServerError {
					vary = fromService["vary"]
				}
				for _, q := range []struct {
					ask  question
					want answer
				}{
					{ask("GET", r.url), answer{r.status, headers{"vary": vary}, r.own}},
					{ask("GET", r.url, "Origin", shop), answer{r.status, with(storefront, "vary", vary), r.own}},
					{ask("GET", r.url, "Origin", foreign), answered(http.StatusForbidden, refused)},
					{preflight(r.url, shop, "GET", ""), answered(http.StatusNoContent, storefrontPreflight)},
				} {
					got, _, _, err := c.send(t.Context(), q.ask)
					if err != nil {
						t.Fatal(err)
					}
					expect(t, got, q.want)
				}
			})
		}
	})
}

// addReplies makes an Envoy that has something wrong on each of these paths.
func addReplies(b *bootstrap, refused string) {
	const (
		limitFilter = "envoy.filters.http.local_ratelimit"
		limitType   = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
	)
	always := object{"default_value": object{"numerator": 100}}
	b.addFilters(
		object{"name": "envoy.filters.http.rbac", "typed_config": object{
			"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
			"rules": object{"action": "DENY", "policies": object{"forbidden": object{
				"permissions": list{object{"url_path": object{"path": object{"exact": "/v1/forbidden"}}}},
				"principals":  list{object{"any": true}},
			}}},
		}},
		object{"name": limitFilter, "typed_config": object{"@type": limitType, "stat_prefix": "limit"}},
	)
	b.addCluster(object{"name": "nowhere", "type": "STATIC", "load_assignment": object{"cluster_name": "nowhere"}})
	b.addCluster(object{"name": "refused", "type": "STATIC", "load_assignment": object{
		"cluster_name": "refused",
		"endpoints": list{object{"lb_endpoints": list{object{"endpoint": object{
			"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 1}},
		}}}}},
	}})
	b.point("refused", refused)
	b.addRoutes(
		object{"match": object{"path": "/v1/nowhere"}, "route": object{"cluster": "nowhere"}},
		object{"match": object{"path": "/v1/refused"}, "route": object{"cluster": "refused"}},
		object{"match": object{"path": "/v1/hang"}, "route": object{"cluster": "service", "timeout": "0.1s"}},
		object{"match": object{"path": "/v1/direct"}, "direct_response": object{"status": http.StatusOK, "body": object{"inline_string": "direct"}}},
		object{"match": object{"path": "/v1/moved"}, "redirect": object{"path_redirect": "/v1/orders"}},
		object{
			"match": object{"path": "/v1/limited"}, "route": object{"cluster": "service"},
			"typed_per_filter_config": object{limitFilter: object{
				"@type": limitType, "stat_prefix": "limited",
				"token_bucket":   object{"max_tokens": 1, "fill_interval": "3600s"},
				"filter_enabled": always, "filter_enforced": always,
			}},
		},
	)
}
