package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecisionsComeFromTheLastLineOfARow(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	lines := parse([]string{
		`[2026-11-01 12:00:00.000][1][warning] Envoy's own log`,
		`{"time":"2026-11-01T11:59:59.999Z","path":"/v1/items","origin":"http://shop.localhost:8000","verdict":"deny","reason":"no_policy"}`,
		`{"time":"2026-11-01T12:00:00.000Z","path":"/v1/orders","origin":"http://shop.localhost:8000","verdict":"deny","reason":"old"}`,
		`{"time":"2026-11-01T12:00:01.000Z","path":"/v1/orders?x=1","origin":"http://shop.localhost:8000",` +
			`"verdict":"allow","reason":"origin_allowed","policy":"storefront"}`,
		`{"time":"2026-11-01T12:00:02.000Z","path":"/v1/photos/rug.png","origin":null,"verdict":null,"reason":null,"policy":null}`,
		`{"time":"2026-11-01T12:00:03.000Z","path":"/v1/fail","origin":"http://elsewhere.localhost:8000","verdict":"deny"}`,
	}, since)
	got := match(lines, testAddresses())
	want := map[rowKey]Decision{
		{page: shopHost, call: "post"}:  {Verdict: "allow", Reason: "origin_allowed", Policy: "storefront"},
		{page: shopHost, call: "plain"}: {},
		{page: evilHost, call: "plain"}: {},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rowKey{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDecisionsWaitForTheLog(t *testing.T) {
	t.Parallel()
	asked := 0
	log := func(context.Context) ([]string, error) {
		if asked++; asked == 1 {
			return nil, nil
		}
		var lines []string
		for _, origin := range []string{`"http://shop.localhost:8000"`, `"http://evil.localhost:8000"`, "null"} {
			for _, c := range calls() {
				lines = append(lines, `{"time":"2026-11-01T12:00:00Z","path":"`+c.Path+`","origin":`+origin+`,"verdict":"allow","reason":"r"}`)
			}
		}
		return lines, nil
	}
	got, err := decisions(t.Context(), log, time.Time{}, testAddresses())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(rows()) || asked != 2 {
		t.Errorf("got %d decisions after %d looks, want %d after 2", len(got), asked, len(rows()))
	}
}
