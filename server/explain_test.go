package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/source"
)

const explainQuery = "/explain?origin=https://evil.example&url=https://api.shop.example/v1/x"

func TestExplainPage(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	if early := get(t, s, http.MethodGet, explainQuery, nil); early.code != http.StatusServiceUnavailable || early.text != "policies are not loaded yet\n" {
		t.Errorf("before policies are loaded: %+v", early)
	}
	if !s.policies.Load(context.Background(), snapshot(shopPolicy)) {
		t.Fatal("the policies do not load")
	}
	answer := get(t, s, http.MethodGet, explainQuery, nil)
	var e explain.Explanation
	if err := json.Unmarshal([]byte(answer.text), &e); err != nil {
		t.Fatalf("%v: %+v", err, answer)
	}
	if answer.code != http.StatusOK || answer.header.Get("Content-Type") != "application/json" ||
		e.Revision != s.policies.Status().Set.Revision() || e.Outcome != explain.OutcomeBlocked {
		t.Errorf("%+v", answer)
	}
	for name, test := range map[string]struct {
		method, path, site string
		code               int
		text               string
	}{
		"a page of the same origin":  {http.MethodGet, explainQuery, "same-origin", http.StatusOK, ""},
		"a page of another site":     {http.MethodGet, explainQuery, "cross-site", http.StatusForbidden, "pages of other sites may not ask\n"},
		"a page of the same site":    {http.MethodGet, explainQuery, "same-site", http.StatusForbidden, "pages of other sites may not ask\n"},
		"another method":             {http.MethodPost, explainQuery, "", http.StatusMethodNotAllowed, "only GET and HEAD\n"},
		"nothing asked":              {http.MethodGet, "/explain", "", http.StatusBadRequest, "no origin; say where the page comes from, such as https://shop.example\nno URL; say what the page calls, such as https://api.shop.example/v1/orders\n"},
		"an unknown parameter":       {http.MethodGet, explainQuery + "&colour=x", "", http.StatusBadRequest, "there is no parameter \"colour\"\n"},
		"a parameter that is broken": {http.MethodGet, explainQuery + "&stream=maybe", "", http.StatusBadRequest, "stream is \"maybe\"; it must be true or false\n"},
	} {
		got := get(t, s, test.method, test.path, func(r *http.Request) {
			if test.site != "" {
				r.Header.Set("Sec-Fetch-Site", test.site)
			}
		})
		if got.code != test.code || test.text != "" && got.text != test.text {
			t.Errorf("%s: %d %q, want %d %q", name, got.code, got.text, test.code, test.text)
		}
	}
}

// What is explained is what is in force, though the source holds something else
// by now.
func TestExplainInForce(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	s.policies.Load(context.Background(), snapshot(shopPolicy))
	before := get(t, s, http.MethodGet, explainQuery, nil)
	s.policies.Load(context.Background(), source.Snapshot{})
	if after := get(t, s, http.MethodGet, explainQuery, nil); after.text != before.text || !strings.Contains(after.text, `"revision"`) {
		t.Errorf("after a broken load: %+v", after)
	}
}

// One question is explained at a time, and whoever gives up waiting is let go.
func TestExplainWaits(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	s.policies.Load(context.Background(), snapshot(shopPolicy))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 20 {
		// Either the turn or the end is seen first; both end.
		get(t, s, http.MethodGet, explainQuery, func(r *http.Request) { *r = *r.WithContext(ctx) })
	}
}
