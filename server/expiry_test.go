package server

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/policy"
)

const (
	// A bubble's clock begins at midnight on 2000-01-01, in UTC.
	temporaryPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://shop.example]
  temporaryOrigins:
  - {origin: https://trial.example, until: "2000-01-02"}
  - {origin: https://preview.example, until: "2000-01-03T12:00:00Z"}
`
	soonerPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  targets: [{hosts: [api.example]}]
  temporaryOrigins:
  - {origin: https://trial.example, until: "2000-01-01T00:00:30Z"}
`
)

func TestTemporaryOriginsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(Build{})
		p := newPolicies(policy.Options{}, m, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		expect := func(when, origin string, want policy.Verdict) {
			t.Helper()
			synctest.Wait()
			d := p.live.Load().set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: "api.example", Path: "/", Origin: origin})
			if d.Verdict != want {
				t.Errorf("%s: %s gets %s, want %s", when, origin, d.Verdict, want)
			}
		}
		go p.expire(ctx)
		p.Load(ctx, snapshot(temporaryPolicy))
		expect("at the start", "https://trial.example", policy.VerdictAllow)
		// A change that is broken must not keep anything in force for longer.
		p.Load(ctx, snapshot(brokenPolicy))
		broken := *p.Status()

		time.Sleep(24*time.Hour - time.Nanosecond)
		expect("just before its end", "https://trial.example", policy.VerdictAllow)
		time.Sleep(time.Nanosecond)
		expect("at its end", "https://trial.example", policy.VerdictDeny)
		expect("at the end of another", "https://preview.example", policy.VerdictAllow)
		if status := p.Status(); !status.Stale() || !status.LoadedAt.Equal(broken.LoadedAt) || len(status.Problems) != len(broken.Problems) {
			t.Errorf("the status was %+v and is %+v", broken, status)
		}
		time.Sleep(36 * time.Hour)
		expect("at its end", "https://preview.example", policy.VerdictDeny)
		expect("always", "https://shop.example", policy.VerdictAllow)
		expectSeries(t, m, map[string]float64{"reloads_total{result=renewed}": 2, "last_reload_success{}": 0})
	})
}

func TestTemporaryOriginsOfANewSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicies(policy.Options{}, newMetrics(Build{}), slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		p.Load(ctx, snapshot(temporaryPolicy))
		go p.expire(ctx)
		synctest.Wait()
		p.Load(ctx, snapshot(soonerPolicy))
		synctest.Wait()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		d := p.live.Load().set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: "api.example", Path: "/", Origin: "https://trial.example"})
		if d.Verdict != policy.VerdictDeny {
			t.Errorf("it gets %s after its end", d.Verdict)
		}
		if len(p.Status().Problems.Warnings()) == 0 {
			t.Error("the status has no warning of an origin that is over")
		}
	})
}
