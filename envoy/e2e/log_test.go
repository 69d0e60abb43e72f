package e2e_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A report is what corsgate's /policies says.
type report struct {
	Revision   string
	LastReload struct {
		OK bool
	}
}

func (h *house) report(t *testing.T) report {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.admin+"/policies", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var r report
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAccessLog reads what Envoy logs of each kind of decision.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	c := h.client(t, http1)
	revision := h.report(t).Revision
	if revision == "" {
		t.Fatal("corsgate names no revision")
	}
	for name, tt := range map[string]struct {
		ask  question
		want logLine
	}{
		"not asked": {
			ask("GET", orders),
			logLine{Method: "GET", Status: 200, Details: "via_upstream"},
		},
		"same origin": {
			ask("GET", orders, "Origin", "http://api.shop.example"),
			logLine{Method: "GET", Origin: "http://api.shop.example", Status: 200, Details: "via_upstream", Verdict: "pass", Reason: "same_origin", Policy: "storefront"},
		},
		"allowed": {
			ask("GET", orders, "Origin", "https://www.shop.example"),
			logLine{Method: "GET", Origin: "https://www.shop.example", Status: 200, Details: "via_upstream", Verdict: "allow", Reason: "origin_allowed", Policy: "storefront", Rule: "spec.origins[1]"},
		},
		"a preflight": {
			preflight(orders, shop, "GET", ""),
			logLine{Method: "OPTIONS", Origin: shop, Status: 204, Details: "ext_authz_denied", Verdict: "allow", Reason: "origin_allowed", Policy: "storefront", Rule: "spec.origins[0]"},
		},
		"a preflight that fails": {
			preflight(orders, shop, "PATCH", ""),
			logLine{Method: "OPTIONS", Origin: shop, Status: 204, Details: "ext_authz_denied", Verdict: "deny", Reason: "method_not_allowed", Policy: "storefront", Rule: "spec.methods"},
		},
		"excluded": {
			ask("GET", orders, "Origin", "https://legacy.shop.example"),
			logLine{Method: "GET", Origin: "https://legacy.shop.example", Status: 403, Details: "ext_authz_denied", Verdict: "deny", Reason: "origin_excluded", Policy: "storefront", Rule: "spec.excludeOrigins[0]"},
		},
		"reported only": {
			ask("GET", "http://api.shop.example/observed/orders", "Origin", foreign),
			logLine{Method: "GET", Origin: foreign, Status: 200, Details: "via_upstream", Verdict: "deny", Reason: "origin_not_allowed", Policy: "observed", Rule: "spec.origins"},
		},
		"no policy": {
			ask("GET", "http://other.example/", "Origin", foreign),
			logLine{Method: "GET", Origin: foreign, Status: 403, Details: "ext_authz_denied", Verdict: "deny", Reason: "no_policy"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, id, _, err := c.send(t.Context(), tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := h.logged(t, id)
			if tt.want.Verdict != "" {
				tt.want.Revision = revision
			}
			if tt.want.Policy != "" {
				expectPosition(t, got.Position)
			}
			got.Path, got.Position = "", ""
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the access log differs (-want +got):\n%s", diff)
			}
		})
	}
}

// expectPosition wants a place in one of the fixtures: file:line:col.
func expectPosition(t *testing.T, position string) {
	t.Helper()
	parts := strings.Split(position, ":")
	if len(parts) != 3 || !strings.HasSuffix(parts[0], filepath.FromSlash(fixtures+"/shop.yaml")) {
		t.Fatalf("the access log gives the position %q, want shop.yaml:line:col", position)
	}
	for _, number := range parts[1:] {
		if n, err := strconv.Atoi(number); err != nil || n < 1 {
			t.Errorf("the access log gives the position %q, want shop.yaml:line:col", position)
		}
	}
}

// TestNoPolicyPass runs the other choice for what no policy governs. A route
// that names a policy which is not loaded is a mistake, and is refused anyhow.
func TestNoPolicyPass(t *testing.T) {
	t.Parallel()
	const elsewhere = "http://other.example/v1/orders"
	h := build(t, plan{args: []string{"--no-policy", "pass"}, change: func(b *bootstrap) {
		b.addRoutes(object{
			"match": object{"path": "/unknown"}, "route": object{"cluster": "service"},
			"typed_per_filter_config": object{"cors-authz": object{
				"@type":          "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
				"check_settings": object{"context_extensions": object{"corsgate.policy": "nobody"}},
			}},
		})
	}})
	rows := []row{
		{"an actual request", ask("GET", elsewhere, "Origin", foreign), forwarded(fromService), "no_policy", ""},
		{"a preflight", preflight(elsewhere, foreign, "GET", ""), forwarded(fromService), "no_policy", ""},
		{"its own origin", ask("GET", elsewhere, "Origin", "http://other.example"), forwarded(fromService), "same_origin", ""},
		{"a policy that is not loaded", ask("GET", "http://other.example/unknown", "Origin", shop), answered(403, refused), "unknown_policy", ""},
		{"governed", ask("GET", orders, "Origin", foreign), answered(403, refused), "origin_not_allowed", "storefront"},
	}
	h.overBoth(t, func(t *testing.T, c *client) {
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) { r.run(t, c) })
		}
	})
}
