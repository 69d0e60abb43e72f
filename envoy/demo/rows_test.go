package main

import (
	"net/http"
	"slices"
	"testing"
)

// TestCallsAreTellApart checks what the access log needs to tell calls apart,
// and that no expectation is empty.
func TestCallsAreToldApart(t *testing.T) {
	t.Parallel()
	ids, requests, preflights := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range calls() {
		if ids[c.ID] {
			t.Errorf("two calls have the ID %q", c.ID)
		}
		ids[c.ID] = true
		if request := c.Method + " " + c.Path; requests[request] {
			t.Errorf("two calls make the request %s", request)
		} else {
			requests[request] = true
		}
		if c.preflighted() && preflights[c.Path] {
			t.Errorf("two calls send a preflight to %s", c.Path)
		}
		preflights[c.Path] = preflights[c.Path] || c.preflighted()
		for _, want := range []Outcome{c.Shop, c.Foreign} {
			if want.Saw == "" || !want.Through && len(want.Console) == 0 {
				t.Errorf("%s: an outcome says too little: %+v", c.ID, want)
			}
		}
	}
}

// preflighted is whether a browser asks before it makes the call, by the Fetch
// standard's rules as far as the table uses them.
func (c Call) preflighted() bool {
	simple := slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, c.Method)
	for name, value := range c.Headers {
		simple = simple && name == "Content-Type" && value == "text/plain"
	}
	return !simple
}

func TestExpand(t *testing.T) {
	t.Parallel()
	const api, origin = "http://api.localhost:1", "http://shop.localhost:2"
	if got, want := expand("{api}/a {ws}/b {origin}", api, origin), api+"/a ws://api.localhost:1/b "+origin; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
