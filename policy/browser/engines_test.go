package browser

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exchanges writes down what was sent, with what a preflight asks for.
func exchanges(o *Outcome) (lines []string) {
	for i := range o.Exchanges {
		r := &o.Exchanges[i].Request
		line := r.Method + " " + r.URL.Host + " origin=" + r.Get("origin")
		if names := r.Get("access-control-request-headers"); names != "" {
			line += " asks=" + names
		}
		lines = append(lines, line)
	}
	return lines
}

// TestOwnWays are requests that one engine sends in another way than the standard
// has it, and their neighbours. Each was seen in that engine; the tests in
// envoy/browsers keep looking.
func TestOwnWays(t *testing.T) {
	t.Parallel()
	const (
		shopOK  = "access-control-allow-origin: " + shop
		get     = "GET api.example origin=" + shop
		options = "OPTIONS api.example origin=" + shop
		deletes = "DELETE api.example origin=" + shop
	)
	headers := func(name string, values ...string) (r Request) {
		for _, value := range values {
			r.Headers = append(r.Headers, Header{name, value})
		}
		return r
	}
	asks := func(name string) []string { return []string{options + " asks=" + name} }
	long := strings.Repeat("a", 100)
	byXHR := headers("X-A", "1", "2")
	byXHR.Initiator = InitiatorXHR
	grant := respond(204, shopOK, "access-control-allow-methods: DELETE")
	for _, c := range []struct {
		name          string
		engine        Engine
		request       Request
		responses     []ServerResponse
		own, standard []string
	}{
		{"a client hint", Chrome, headers("Save-Data", "ON"), nil, []string{get}, asks("save-data")},
		{"a client hint of another form", Chrome, headers("DPR", "2x"), nil, asks("dpr"), asks("dpr")},
		{"the network's kind", Chrome, headers("ECT", "4g"), nil, []string{get}, asks("ect")}, //nolint:misspell // It is its name.
		{"a User-Agent", Chrome, headers("User-Agent", "x"), nil, []string{get}, asks("user-agent")},
		{"a far range", Chrome, headers("Range", "bytes=9223372036854775807-"), nil, asks("range"), []string{get}},
		{"a near range", Chrome, headers("Range", "bytes=0-9223372036854775806"), nil, []string{get}, []string{get}},
		{"a far range", Firefox, headers("Range", "bytes=0-18446744073709551616"), nil, asks("range"), []string{get}},
		{"a near range", Firefox, headers("Range", "bytes=18446744073709551615-"), nil, []string{get}, []string{get}},
		{"a byte above 127", Firefox, headers("Accept", "\xe9"), nil, asks("accept"), []string{get}},
		{"two long lines", Chrome, headers("Accept", long, long), nil, asks("accept"), []string{get}},
		{"two long lines", Firefox, headers("Accept", long, long), nil, []string{get}, []string{get}},
		{
			"eleven long lines", Firefox, headers("Accept", slices.Repeat([]string{long}, 11)...), nil,
			[]string{get},
			asks("accept"),
		},
		{"a header twice", Firefox, headers("X-A", "1", "2"), nil, asks("x-a,x-a"), asks("x-a")},
		{"a header twice by XMLHttpRequest", Firefox, byXHR, nil, asks("x-a"), asks("x-a")},
		{
			"a beacon without referrer", Chrome,
			Request{Mode: ModeNoCORS, Method: "POST", ReferrerPolicy: ReferrerNone},
			nil,
			[]string{"POST api.example origin=" + shop},
			[]string{"POST api.example origin=null"},
		},
		{
			"a preflight behind a redirect", Firefox,
			Request{Method: "DELETE"},
			[]ServerResponse{
				grant, respond(307, shopOK, "location: https://other.example/"), grant, respond(200, "access-control-allow-origin: null"),
			},
			[]string{options, deletes, "OPTIONS other.example origin=" + shop, "DELETE other.example origin=null"},
			[]string{options, deletes, "OPTIONS other.example origin=null"},
		},
		{
			"a preflight that lost its reason", Firefox,
			Request{Method: "DELETE"},
			[]ServerResponse{grant, respond(303, shopOK, "location: /v2"), respond(204, shopOK), respond(200, shopOK)},
			[]string{options, deletes, options, get},
			[]string{options, deletes, get},
		},
	} {
		t.Run(c.name+" in "+c.engine.String(), func(t *testing.T) {
			t.Parallel()
			if c.responses == nil {
				c.responses = []ServerResponse{respond(403)}
			}
			for engine, want := range map[Engine][]string{c.engine: c.own, Standard: c.standard} {
				r := c.request
				r.Origin, r.URL = shop, mustURL(t, api)
				o := Fetch(&r, script(c.responses...), Options{Engine: engine})
				if diff := cmp.Diff(want, exchanges(&o)); diff != "" {
					t.Errorf("%s sent (-want +got):\n%s", engine, diff)
				}
			}
		})
	}
}

// TestNothingRemembered are answers that one engine remembers and another does
// not.
func TestNothingRemembered(t *testing.T) {
	t.Parallel()
	const anyone, long = "access-control-allow-origin: *", "access-control-max-age: 600"
	listed, unlisted := respond(204, anyone, long, "access-control-allow-methods: PUT"), respond(204, anyone, long)
	for _, c := range []struct {
		name       string
		request    Request
		preflight  ServerResponse
		remembered map[Engine]bool
	}{
		{"to a page", Request{Origin: shop, Method: "PUT"}, listed, map[Engine]bool{Standard: true, Chrome: true, Firefox: true}},
		{
			"to a page without an origin",
			Request{Origin: OpaqueOrigin, Method: "PUT"},
			listed,
			map[Engine]bool{Standard: true, Chrome: false, Firefox: true},
		},
		{
			"that lists nothing",
			Request{Origin: shop, Method: "POST", UploadListener: true},
			unlisted,
			map[Engine]bool{Standard: true, Chrome: true, Firefox: false},
		},
	} {
		for engine, want := range c.remembered {
			c.request.URL = mustURL(t, api)
			options := Options{Engine: engine, Cache: NewCache(engine)}
			if o := Fetch(&c.request, script(c.preflight, respond(200, anyone)), options); !o.Shared() || o.Cached {
				t.Errorf("an answer %s: %s: %s, cached %v", c.name, engine, o.Access, o.Cached)
			}
			if o := Fetch(&c.request, script(c.preflight, respond(200, anyone)), options); o.Cached != want {
				t.Errorf("an answer %s: %s remembers it: %v, want %v", c.name, engine, o.Cached, want)
			}
		}
	}
}

// Every preflight that fails makes Firefox forget what it knew.
func TestFirefoxForgets(t *testing.T) {
	t.Parallel()
	const ok, long = "access-control-allow-origin: " + shop, "access-control-max-age: 600"
	for name, refusal := range map[string]ServerResponse{
		"the status":     respond(500, ok),
		"a list":         respond(204, ok, "access-control-allow-methods: ("),
		"another method": respond(204, ok, long),
		"no origin":      respond(204),
	} {
		options := Options{Engine: Firefox, Cache: NewCache(Firefox)}
		ask := func(method string, responses ...ServerResponse) Outcome {
			return Fetch(&Request{Origin: shop, URL: mustURL(t, api), Method: method}, script(responses...), options)
		}
		ask("PUT", respond(204, ok, long, "access-control-allow-methods: PUT"), respond(200, ok))
		if o := ask("PUT", respond(200, ok)); !o.Cached {
			t.Errorf("%s: the first answer was not remembered", name)
		}
		if o := ask("DELETE", refusal); o.Shared() {
			t.Errorf("%s: shared", name)
		}
		if o := ask("PUT", respond(403)); o.Cached {
			t.Errorf("%s: Firefox still remembers", name)
		}
	}
}

// Firefox calls what came by a redirect over plain http another site's.
func TestFirefoxPlainRedirect(t *testing.T) {
	t.Parallel()
	for engine, want := range map[Engine]string{Firefox: "cross-site", Chrome: "same-site", Standard: "same-site"} {
		r := Request{Origin: "http://localhost:1", URL: mustURL(t, "http://localhost:2/")}
		o := Fetch(&r, script(respond(302, "access-control-allow-origin: *", "location: /x"), respond(200)), Options{Engine: engine})
		if got := o.Exchanges[0].Request.Get("sec-fetch-site"); got != "same-site" {
			t.Errorf("%s at first: %s", engine, got)
		}
		if got := o.Exchanges[1].Request.Get("sec-fetch-site"); got != want {
			t.Errorf("%s: %s, want %s", engine, got, want)
		}
	}
}
