package browser

import (
	"strings"
	"testing"
	"time"
)

// A visitor makes one request after another with one cache.
type visitor struct {
	t     *testing.T
	cache *Cache
	url   string
}

// asks reports whether a preflight was sent.
func (v *visitor) asks(at time.Duration, r Request, lines ...string) bool {
	v.t.Helper()
	r.Origin, r.URL = shop, mustURL(v.t, v.url)
	lines = append([]string{"access-control-allow-origin: " + shop, "access-control-allow-credentials: true"}, lines...)
	o := Fetch(&r, script(respond(204, lines...)), Options{Engine: v.cache.engine, Cache: v.cache, Now: at})
	return len(o.Exchanges) > 0 && o.Exchanges[0].Preflight
}

func visits(t *testing.T, engine Engine) *visitor {
	t.Helper()
	return &visitor{t, NewCache(engine), api}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct {
		value string
		want  [engineCount]time.Duration // -1s stands for expired at once
	}{
		{"", [engineCount]time.Duration{5 * s, 5 * s, 5 * s, 5 * s}},
		{"0", [engineCount]time.Duration{}},
		{"60", [engineCount]time.Duration{60 * s, 60 * s, 60 * s, 60 * s}},
		{"99999", [engineCount]time.Duration{99999 * s, 7200 * s, 86400 * s, 600 * s}},
		{"1m", [engineCount]time.Duration{5 * s, 5 * s, 0, 5 * s}},
		{"60, 60", [engineCount]time.Duration{5 * s, 5 * s, 0, 5 * s}},
		{"-1", [engineCount]time.Duration{5 * s, 0, 0, -s}},
		{"+60", [engineCount]time.Duration{5 * s, 5 * s, 0, 60 * s}},
		{"99999999999999999999", [engineCount]time.Duration{longestAge, 5 * s, 86400 * s, 5 * s}},
	} {
		for engine := range engineCount {
			if got := maxAge(engine, []Header{{"Access-Control-Max-Age", c.value}}); got != c.want[engine] {
				t.Errorf("%s takes %q for %s, want %s", engine, c.value, got, c.want[engine])
			}
		}
	}
}

const (
	minute     = "access-control-max-age: 60"
	allMethods = "access-control-allow-methods: PUT, DELETE"
)

func TestCacheExpires(t *testing.T) {
	t.Parallel()
	for engine := range engineCount {
		v, put := visits(t, engine), Request{Method: "PUT"}
		if !v.asks(0, put, minute, allMethods) {
			t.Errorf("%s does not ask at first", engine)
		}
		if v.asks(59*time.Second, put) {
			t.Errorf("%s asks again within the minute", engine)
		}
		if !v.asks(61*time.Second, put) {
			t.Errorf("%s does not ask after a minute", engine)
		}
	}
}

// One answer that names all methods saves the preflight of each.
func TestCacheKeepsWholeLists(t *testing.T) {
	t.Parallel()
	for engine := range engineCount {
		v := visits(t, engine)
		v.asks(0, Request{Method: "PUT"}, minute, allMethods)
		if v.asks(1, Request{Method: "DELETE"}) {
			t.Errorf("%s asks for DELETE, which the answer for PUT named", engine)
		}
	}
}

// Answers that name only what was asked for cost Chrome and Safari a preflight
// each time, where the methods alternate.
func TestCacheOfOneAnswer(t *testing.T) {
	t.Parallel()
	for engine, want := range map[Engine]bool{Standard: false, Firefox: false, Chrome: true, Safari: true} {
		v := visits(t, engine)
		v.asks(0, Request{Method: "PUT"}, minute, "access-control-allow-methods: PUT")
		v.asks(1, Request{Method: "DELETE"}, minute, "access-control-allow-methods: DELETE")
		if got := v.asks(2, Request{Method: "PUT"}, minute); got != want {
			t.Errorf("%s asks for PUT again: %v, want %v", engine, got, want)
		}
	}
}

func TestCacheWildcards(t *testing.T) {
	t.Parallel()
	header := Request{Headers: []Header{{"X-A", "1"}}}
	auth := Request{Headers: []Header{{"Authorization", "1"}}}
	all := []string{minute, "access-control-allow-methods: *", "access-control-allow-headers: *"}
	for engine, want := range map[Engine][3]bool{ // asks again for PUT, X-A, Authorization
		Standard: {false, false, true},
		Chrome:   {false, false, true},
		Firefox:  {true, true, true},
		Safari:   {false, false, false},
	} {
		for i, r := range []Request{{Method: "PUT"}, header, auth} {
			v := visits(t, engine)
			v.asks(0, r, all...)
			if got := v.asks(1, r, all...); got != want[i] {
				t.Errorf("%s asks again for case %d: %v, want %v", engine, i, got, want[i])
			}
		}
	}
}

// What was permitted without credentials is not permitted with them.
func TestCacheCredentials(t *testing.T) {
	t.Parallel()
	plain, with := Request{Method: "PUT"}, Request{Method: "PUT", Credentials: CredentialsInclude}
	for engine := range engineCount {
		v := visits(t, engine)
		v.asks(0, plain, minute, allMethods)
		if !v.asks(1, with, minute, allMethods) {
			t.Errorf("%s takes a permission without credentials for one with them", engine)
		}
		if got, want := v.asks(2, plain, minute, allMethods), false; got != want {
			t.Errorf("%s asks without credentials after it knows both: %v", engine, got)
		}
		v = visits(t, engine)
		v.asks(0, with, minute, allMethods)
		if got, want := v.asks(1, plain, minute, allMethods), engine == Firefox; got != want {
			t.Errorf("%s asks without credentials after it knows them with: %v, want %v", engine, got, want)
		}
	}
}

func TestCacheHead(t *testing.T) {
	t.Parallel()
	head := Request{Method: "HEAD", Headers: []Header{{"X-A", "1"}}}
	for engine := range engineCount {
		v := visits(t, engine)
		v.asks(0, head, minute, "access-control-allow-headers: x-a")
		if got, want := v.asks(1, head), engine == Firefox; got != want {
			t.Errorf("%s asks again for HEAD: %v, want %v", engine, got, want)
		}
	}
}

// Safari remembers answers that refused the request.
func TestCacheOfRefusals(t *testing.T) {
	t.Parallel()
	for engine, want := range map[Engine]bool{Standard: true, Chrome: true, Firefox: true, Safari: false} {
		v := visits(t, engine)
		v.asks(0, Request{Method: "PATCH"}, minute, allMethods)
		if got := v.asks(1, Request{Method: "PUT"}, minute, allMethods); got != want {
			t.Errorf("%s asks for PUT after PATCH was refused: %v, want %v", engine, got, want)
		}
	}
}

func TestCacheLongURL(t *testing.T) {
	t.Parallel()
	for engine := range engineCount {
		v := visits(t, engine)
		v.url = api + "?" + strings.Repeat("q", 1024)
		v.asks(0, Request{Method: "PUT"}, minute, allMethods)
		if got, want := v.asks(1, Request{Method: "PUT"}), engine == Chrome; got != want {
			t.Errorf("%s asks again for a long URL: %v, want %v", engine, got, want)
		}
	}
}

// The standard forgets what it knew once a check fails, and Firefox with it.
func TestCacheForgets(t *testing.T) {
	t.Parallel()
	put := Request{Method: "PUT", Origin: shop}
	for engine, want := range map[Engine]bool{Standard: true, Firefox: true, Chrome: false, Safari: false} {
		v := visits(t, engine)
		v.asks(0, put, minute, allMethods)
		r := put
		r.URL = mustURL(t, api)
		o := Fetch(&r, script(respond(200)), Options{Engine: engine, Cache: v.cache, Now: 1})
		if !o.Cached || o.Access != AccessBlocked {
			t.Errorf("%s: cached %v, %s", engine, o.Cached, o.Access)
		}
		if got := v.asks(2, put); got != want {
			t.Errorf("%s asks again: %v, want %v", engine, got, want)
		}
	}
}
