package main

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/parts"
)

// TestSamples wants each change to find its place in both samples, and nothing
// left of what was taken out.
func TestSamples(t *testing.T) {
	t.Parallel()
	repository, err := parts.Repository()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		change func(*bootstrap)
		has    []string
		hasNot []string
	}{
		{
			"asks over TCP", func(b *bootstrap) { b.ask("tcp", "127.0.0.1:4711") },
			[]string{`"port_value":4711`, `"cors-authz"`, `"timeout":"5s"`, `"direct_response"`},
			[]string{`"route":{`, `"access_log"`, `:9191`},
		},
		{
			"asks over a socket", func(b *bootstrap) { b.ask("unix", "/run/s") },
			[]string{`{"pipe":{"path":"/run/s"}}`, `"type":"STATIC"`},
			[]string{`9191`},
		},
		{"no filter", (*bootstrap).withoutFilter, []string{`"envoy.filters.http.router"`, `"vary"`}, []string{`cors-authz`, `ext_authz.v3`}},
		{
			"Envoy's own", func(b *bootstrap) { b.withEnvoyCORS([]string{"https://a.example"}) },
			[]string{`"exact":"https://a.example"`, `"name":"envoy.filters.http.cors"`, `"direct_response"`, `"route":{"cluster":"service"}`},
			[]string{`cors-authz`},
		},
	} {
		for _, file := range []string{"envoy.yaml", "envoy-routes.yaml"} {
			b, err := readSample(repository, file)
			if err != nil {
				t.Fatal(err)
			}
			b.ports("127.0.0.1:1", "127.0.0.1:2")
			row.change(b)
			text, err := b.json()
			if err != nil {
				t.Errorf("%s, %s: %v", file, row.name, err)
			}
			for _, want := range row.has {
				if !strings.Contains(string(text), want) {
					t.Errorf("%s, %s: no %s", file, row.name, want)
				}
			}
			for _, not := range row.hasNot {
				if strings.Contains(string(text), not) {
					t.Errorf("%s, %s: there is %s", file, row.name, not)
				}
			}
		}
	}
	if _, err := readSample(repository, "go.mod"); err == nil {
		t.Error("what is no sample is read as one")
	}
}

// TestBrokenSample wants an error, and no panic, where a sample has no place for
// a change.
func TestBrokenSample(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bootstrap){
		"ask":           func(b *bootstrap) { b.ask("tcp", "127.0.0.1:1") },
		"ports":         func(b *bootstrap) { b.ports("127.0.0.1:1", "127.0.0.1:2") },
		"withoutFilter": (*bootstrap).withoutFilter,
		"an address":    func(b *bootstrap) { b.socket(nil, "nowhere") },
	} {
		b := &bootstrap{tree: object{}}
		change(b)
		if _, err := b.json(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
