package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/corsgate/corsgate/policy"
)

// series returns the corsgate series of a registry that counted something, as
// `name{label="value"}` to their values. Those of policies' loading are always
// there.
func series(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "corsgate_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			name := family.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch {
			case metric.GetCounter() != nil:
				got[name] = metric.GetCounter().GetValue()
			case metric.GetGauge() != nil:
				got[name] = metric.GetGauge().GetValue()
			case metric.GetHistogram() != nil:
				got[name] = float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return got
}

// decisionSeries returns those of corsgate_decisions_total.
func decisionSeries(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	var names []string
	for name := range maps.Keys(series(t, registry)) {
		if strings.HasPrefix(name, "corsgate_decisions_total") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// expectSeries compares some series, by their names without "corsgate_".
func expectSeries(t *testing.T, m *metrics, want map[string]float64) {
	t.Helper()
	all, got := series(t, m.registry), map[string]float64{}
	for name := range want {
		if value, ok := all["corsgate_"+name]; ok {
			got[name] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func TestPoliciesKeepTheLastGoodSet(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	m := newMetrics(Build{})
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := first
	p := newPolicies(policy.Options{}, m, slog.New(slog.NewTextHandler(log, nil)), func() time.Time { return clock })
	ctx := context.Background()
	sameStatus := func(when string, want Status) {
		t.Helper()
		failures := cmp.FilterPath(func(path cmp.Path) bool { return path.String() == "Failure" }, cmpopts.EquateErrors())
		if diff := cmp.Diff(want, *p.Status(), cmpopts.IgnoreFields(Status{}, "Set", "Documents"), failures); diff != "" || p.Status().Set != want.Set {
			t.Errorf("status %s (-want +got):\n%s", when, diff)
		}
		if documents := p.Status().Documents; want.Set != nil && len(documents) != len(want.Set.Policies()) {
			t.Errorf("%s there are %d documents", when, len(documents))
		}
		if current := p.live.Load(); want.Set != nil && current.set != want.Set {
			t.Errorf("%s another set is in force", when)
		}
	}
	sameStatus("before anything is loaded", Status{})

	if !p.Load(ctx, snapshot(shopPolicy)) {
		t.Fatal(p.Status().Problems)
	}
	good := p.Status().Set
	sameStatus("after a good load", Status{Set: good, Files: 1, LoadedAt: first, AttemptedAt: first})
	expectSeries(t, m, map[string]float64{
		"last_reload_success{}": 1, "policies{}": 2, "reloads_total{result=loaded}": 1,
		"revision_info{revision=" + good.Revision() + "}": 1, "last_reload_timestamp_seconds{}": float64(first.Unix()),
	})

	clock = first.Add(time.Minute)
	if p.Load(ctx, snapshot(brokenPolicy)) {
		t.Fatal("a broken policy was loaded")
	}
	_, problems := CompileSnapshot(snapshot(brokenPolicy), policy.Options{})
	sameStatus("after a bad load", Status{Set: good, Files: 1, LoadedAt: first, AttemptedAt: clock, Problems: problems})
	expectSeries(t, m, map[string]float64{
		"last_reload_success{}": 0, "policies{}": 2, "reloads_total{result=rejected}": 1,
		"last_reload_timestamp_seconds{}": float64(first.Unix()),
	})
	if !strings.Contains(log.String(), "the last good set stays in force") || !strings.Contains(log.String(), "policies.yaml:6:") {
		t.Errorf("the log does not say what is wrong and where:\n%s", log)
	}

	gone := errors.New("the disk is gone")
	p.Fail(ctx, gone)
	sameStatus("after a failure", Status{Set: good, Files: 1, LoadedAt: first, AttemptedAt: clock, Failure: gone})
	p.Load(ctx, snapshot(shopPolicy))
	sameStatus("after mending", Status{Set: p.Status().Set, Files: 1, LoadedAt: clock, AttemptedAt: clock})
	expectSeries(t, m, map[string]float64{
		"last_reload_success{}": 1, "reloads_total{result=unreadable}": 1, "reloads_total{result=unchanged}": 1,
	})
}

func TestPoliciesTellRevisionsApart(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	m := newMetrics(Build{})
	p := newPolicies(policy.Options{}, m, slog.New(slog.NewTextHandler(log, nil)), time.Now)
	p.Load(context.Background(), snapshot(shopPolicy))
	old := p.Status().Set.Revision()
	p.Load(context.Background(), snapshot(otherPolicy))
	revision := p.Status().Set.Revision()
	if !strings.Contains(log.String(), "result=loaded revision="+revision+" previous_revision="+old) {
		t.Errorf("the log has no line with both revisions:\n%s", log)
	}
	expectSeries(t, m, map[string]float64{"revision_info{revision=" + revision + "}": 1})
	if _, still := series(t, m.registry)["corsgate_revision_info{revision="+old+"}"]; still {
		t.Error("the old revision still has a series")
	}
}

func TestCompileSnapshotWithoutPolicies(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "",
		"origin sets alone": `apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  name: partners
spec:
  origins: [https://partner.example]
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, problems := CompileSnapshot(snapshot(text), policy.Options{})
			if set != nil || len(problems.Errors()) == 0 || problems.Errors()[0].Code != "no_policies" {
				t.Errorf("set %v, problems %v", set, problems)
			}
		})
	}
}

func TestCountersOfRemovedPolicies(t *testing.T) {
	t.Parallel()
	a := newAuthorization(shopPolicy)
	ctx := context.Background()
	ask := func(origin string) {
		t.Helper()
		if _, err := a.Check(ctx, check("GET", "api.example", "/", map[string]string{"origin": origin})); err != nil {
			t.Fatal(err)
		}
	}
	ask("https://shop.example")
	ask("https://shop.example")
	ask("https://evil.example")
	allowed := "corsgate_decisions_total{kind=actual,policy=shop,reason=origin_allowed,verdict=allow}"
	denied := "corsgate_decisions_total{kind=actual,policy=shop,reason=origin_not_allowed,verdict=deny}"
	if diff := cmp.Diff([]string{allowed, denied}, decisionSeries(t, a.metrics.registry)); diff != "" {
		t.Fatalf("series (-want +got):\n%s", diff)
	}
	old := a.policies.live.Load()

	// A policy that stays goes on counting where it was.
	a.policies.Load(ctx, snapshot(strings.Replace(shopPolicy, "maxAge: 10m", "maxAge: 20m", 1)))
	ask("https://shop.example")
	if got := series(t, a.metrics.registry)[allowed]; got != 3 {
		t.Errorf("%s is %v, want 3", allowed, got)
	}

	a.policies.Load(ctx, snapshot(otherPolicy))
	// A request that began under the old set ends after it is gone.
	late := old.set.Decide(&policy.Request{Method: "PUT", Host: "api.example", Origin: "null"})
	old.outcome(&late).count()
	if got := decisionSeries(t, a.metrics.registry); len(got) != 0 {
		t.Errorf("series of a removed policy: %v", got)
	}
	ask("https://other.example")
	want := []string{"corsgate_decisions_total{kind=actual,policy=other,reason=origin_allowed,verdict=allow}"}
	if diff := cmp.Diff(want, decisionSeries(t, a.metrics.registry)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func TestMetricsOfErrors(t *testing.T) {
	t.Parallel()
	a := newAuthorization("")
	ctx := context.Background()
	_, _ = a.Check(ctx, check("GET", "api.example", "/", nil))
	a.policies.Load(ctx, snapshot(shopPolicy))
	for _, malformed := range malformedChecks() {
		_, _ = a.Check(ctx, malformed.check)
	}
	got := series(t, a.metrics.registry)
	if got["corsgate_check_errors_total{cause=not_loaded}"] != 1 ||
		got["corsgate_check_errors_total{cause=malformed_request}"] != float64(len(malformedChecks())) ||
		got["corsgate_check_duration_seconds{}"] != 0 {
		t.Errorf("metrics: %v", got)
	}
}
