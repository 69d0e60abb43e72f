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

func TestPoliciesKeepTheLastGoodSet(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	m := newMetrics(Build{})
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := newPolicies(policy.Options{}, m, slog.New(slog.NewTextHandler(log, nil)), func() time.Time { return clock })
	ctx := context.Background()

	if status := p.Status(); status.Set != nil || status.Stale() || p.live.Load() != nil {
		t.Errorf("before anything is loaded: %+v", status)
	}
	if problems := p.Load(ctx, snapshot(shopPolicy)); len(problems) > 0 {
		t.Fatal(problems)
	}
	good := p.Status()
	if good.Set == nil || good.Stale() || good.Files != 1 || !good.LoadedAt.Equal(clock) {
		t.Errorf("after a good load: %+v", good)
	}
	if got := series(t, m.registry); got["corsgate_last_reload_success{}"] != 1 || got["corsgate_policies{}"] != 2 ||
		got["corsgate_revision_info{revision="+good.Set.Revision()+"}"] != 1 ||
		got["corsgate_reloads_total{result=loaded}"] != 1 ||
		got["corsgate_last_reload_timestamp_seconds{}"] != float64(clock.Unix()) {
		t.Errorf("metrics after a good load: %v", got)
	}

	loaded := clock
	clock = clock.Add(time.Minute)
	problems := p.Load(ctx, snapshot(brokenPolicy))
	if len(problems.Errors()) == 0 {
		t.Fatal("a broken policy was loaded")
	}
	bad := p.Status()
	if bad.Set != good.Set || !bad.Stale() || !bad.LoadedAt.Equal(loaded) || !bad.AttemptedAt.Equal(clock) {
		t.Errorf("after a bad load: %+v", bad)
	}
	if diff := cmp.Diff(problems, bad.Problems); diff != "" {
		t.Errorf("problems (-returned +status):\n%s", diff)
	}
	if p.live.Load().set != good.Set {
		t.Error("the set in force is not the last good one")
	}
	got := series(t, m.registry)
	if got["corsgate_last_reload_success{}"] != 0 || got["corsgate_reloads_total{result=rejected}"] != 1 ||
		got["corsgate_policies{}"] != 2 || got["corsgate_last_reload_timestamp_seconds{}"] != float64(loaded.Unix()) {
		t.Errorf("metrics after a bad load: %v", got)
	}
	if !strings.Contains(log.String(), "the last good set stays in force") || !strings.Contains(log.String(), "policies.yaml:6:") {
		t.Errorf("the log does not say what is wrong and where:\n%s", log)
	}

	p.Fail(ctx, errors.New("the disk is gone"))
	if failed := p.Status(); failed.Set != good.Set || !failed.Stale() || failed.Failure == nil || failed.Problems != nil {
		t.Errorf("after a failure: %+v", failed)
	}
	p.Load(ctx, snapshot(shopPolicy))
	if mended := p.Status(); mended.Stale() || mended.Failure != nil {
		t.Errorf("after mending: %+v", mended)
	}
	got = series(t, m.registry)
	if got["corsgate_reloads_total{result=unreadable}"] != 1 || got["corsgate_reloads_total{result=unchanged}"] != 1 {
		t.Errorf("metrics after mending: %v", got)
	}

	old := good.Set.Revision()
	p.Load(ctx, snapshot(otherPolicy))
	if revision := p.Status().Set.Revision(); revision == old ||
		!strings.Contains(log.String(), "revision="+revision+" previous_revision="+old) {
		t.Errorf("the log has no line with both revisions:\n%s", log)
	}
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

// Every word that package policy has needs its place in the array of counters.
func TestCountersHoldEveryWord(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("package policy has a reason that is not counted; mend the constants beside policyCounters")
		}
	}()
	_ = policy.Reason(reasons).String() // out of range, as long as there are no more reasons
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
	old.count(&late)
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
