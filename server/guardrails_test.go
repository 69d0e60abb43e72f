package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
)

const (
	houseGuardrail = `---
apiVersion: corsgate.dev/v1
kind: CorsGuardrail
metadata:
  name: house
spec:
  originSuffixes: [shop.example]
  credentials: EXACT_HTTPS
  anyOrigin: {policies: []}
`
	// cdnPolicy does what houseGuardrail forbids.
	cdnPolicy = `---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: cdn
  namespace: assets
spec:
  targets: [{hosts: [cdn.example]}]
  origins: [https://elsewhere.example]
`
	finePolicy = `---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: fine
spec:
  targets: [{hosts: [fine.example]}]
  origins: [https://shop.example]
`
)

// reasonOf is why the policies in force decide a request as they do.
func reasonOf(p *Policies, host, origin string) policy.Reason {
	d := p.live.Load().set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: host, Path: "/", Origin: origin})
	return d.Reason
}

// A policy that does what a guardrail forbids lets nobody in, and the others serve.
func TestBarredPolicies(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	s := admin(t, Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	ctx := short(t)
	if !s.policies.Load(ctx, snapshot(houseGuardrail+cdnPolicy+finePolicy)) {
		t.Fatalf("one policy keeps the others from serving: %v", s.policies.Status().Problems)
	}
	if got := reasonOf(s.policies, "cdn.example", "https://elsewhere.example"); got != policy.ReasonGuardrail {
		t.Errorf("the barred policy decides for %s", got)
	}
	if got := reasonOf(s.policies, "fine.example", "https://shop.example"); got != policy.ReasonOriginAllowed {
		t.Errorf("the other policy decides for %s", got)
	}
	expectSeries(t, s.metrics, map[string]float64{"last_reload_success{}": 1, "policies{}": 2, "barred_policies{}": 1})
	if !strings.Contains(log.String(), "level=WARN msg=\"policies loaded\"") || !strings.Contains(log.String(), "barred=1") || !strings.Contains(log.String(), "refuses every cross-origin request") {
		t.Errorf("the log does not say that a policy is barred:\n%s", log)
	}

	// A guardrail that is itself wrong replaces nothing.
	good := s.policies.Status().Set
	if s.policies.Load(ctx, snapshot(strings.Replace(houseGuardrail, "shop.example", "\"*.shop.example\"", 1)+finePolicy)) || s.policies.live.Load().set != good {
		t.Error("a guardrail that is wrong came into force")
	}
	expectSeries(t, s.metrics, map[string]float64{"last_reload_success{}": 0, "barred_policies{}": 1})

	if !s.policies.Load(ctx, snapshot(cdnPolicy+finePolicy)) {
		t.Fatal(s.policies.Status().Problems)
	}
	if got := reasonOf(s.policies, "cdn.example", "https://elsewhere.example"); got != policy.ReasonOriginAllowed {
		t.Errorf("without the guardrail the policy decides for %s", got)
	}
	expectSeries(t, s.metrics, map[string]float64{"last_reload_success{}": 1, "barred_policies{}": 0})
}

// Barred policies and guardrails show in /policies, in both of its forms.
func TestBarredPoliciesShow(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	s.policies.Load(short(t), snapshot(houseGuardrail+cdnPolicy+finePolicy))
	var view struct {
		Barred     int             `json:"barred"`
		Guardrails []GuardrailView `json:"guardrails"`
		Policies   []struct {
			Name, Namespace string
			Breaches        []struct{ Code, Guardrail, Severity, Field string }
		} `json:"policies"`
	}
	if err := json.Unmarshal([]byte(get(t, s, http.MethodGet, "/policies", nil).text), &view); err != nil {
		t.Fatal(err)
	}
	if view.Barred != 1 || view.Policies[0].Name != "assets/cdn" || view.Policies[0].Namespace != "assets" || len(view.Policies[1].Breaches) != 0 ||
		len(view.Policies[0].Breaches) != 1 || view.Policies[0].Breaches[0] != (struct{ Code, Guardrail, Severity, Field string }{"guardrail_origin_suffix", "house", "warning", "spec.origins[0]"}) {
		t.Errorf("/policies shows %+v", view)
	}
	want := []GuardrailView{{
		Name: "house", Position: policy.Position{File: "policies.yaml", Line: 2, Column: 1}, Policies: []string{"assets/cdn", "fine"},
		OriginSuffixes: []string{"shop.example"}, Credentials: "EXACT_HTTPS", AnyOrigin: &AnyOriginView{Policies: []string{}},
	}}
	if diff := cmp.Diff(want, view.Guardrails); diff != "" {
		t.Errorf("guardrails (-want +got):\n%s", diff)
	}
	page := get(t, s, http.MethodGet, "/policies", func(r *http.Request) { r.Header.Set("Accept", "text/html") }).text
	for _, part := range []string{"1 policy</dd>", ">barred</span>", `href="#guardrail-house"`, `id="guardrail-house"`, "it refuses every cross-origin request until it is mended", "assets/cdn", "nobody", "EXACT_HTTPS", "</html>"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q:\n%s", part, page)
		}
	}
}

// A policy that is barred for an origin that may call until a day is barred no longer
// than until then.
func TestBarredUntilOriginsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(Build{})
		p := newPolicies(policy.Options{}, m, slog.New(slog.DiscardHandler), time.Now)
		p.Load(t.Context(), snapshot(houseGuardrail+`---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: trial
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://shop.example]
  temporaryOrigins: [{origin: https://trial.example, until: "2000-01-02"}]
`))
		expectSeries(t, m, map[string]float64{"barred_policies{}": 1})
		ctx := t.Context()
		go p.expire(ctx)
		time.Sleep(24*time.Hour + time.Minute)
		synctest.Wait()
		expectSeries(t, m, map[string]float64{"barred_policies{}": 0})
		if got := reasonOf(p, "api.example", "https://shop.example"); got != policy.ReasonOriginAllowed {
			t.Errorf("the policy decides for %s", got)
		}
	})
}
