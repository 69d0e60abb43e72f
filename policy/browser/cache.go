package browser

import (
	"slices"
	"strconv"
	"time"
)

// Ages of preflight answers: what each engine takes for one that says nothing,
// and the most that it believes.
const (
	defaultAge    = 5 * time.Second
	maxAgeChrome  = 2 * time.Hour
	maxAgeFirefox = 24 * time.Hour
	maxAgeSafari  = 10 * time.Minute
	// longestAge keeps sums of ages from overflowing.
	longestAge = 100 * 365 * 24 * time.Hour
)

// maxChromeURL is the shortest URL, in bytes, whose preflights Chrome forgets.
const maxChromeURL = 1024

// A Cache is what a browser remembers of preflights' answers, for one page and
// its site (Fetch standard, section "CORS-preflight cache"). Each engine keeps it
// in its own way:
//
//   - the standard and Firefox remember each method and each header by itself, and
//     add to what they know;
//   - Chrome and Safari remember the last answer for a URL, and forget it as soon
//     as it does not cover a request;
//   - Chrome remembers nothing for a page without an origin, or for a long URL;
//   - Firefox takes a remembered `*` literally, so it asks each time, and knows
//     calls with and without credentials apart.
//
// A Cache is not safe for use by several goroutines.
type Cache struct {
	engine  Engine
	entries map[cacheKey]*cacheEntry
}

// NewCache returns an empty cache of an engine.
func NewCache(engine Engine) *Cache {
	return &Cache{engine: engine, entries: map[cacheKey]*cacheEntry{}}
}

// A cacheKey names an entry. Chrome and Safari have one for both kinds of
// credentials.
type cacheKey struct {
	origin, url string
	credentials bool
}

// A cacheEntry is what is known about one URL.
type cacheEntry struct {
	credentials bool
	// methods and names say until when each is known; names are in lower case.
	methods, names map[string]time.Duration
	until          time.Duration
}

// question is a request whose preflight the cache may save.
type question struct {
	origin, url string
	credentials bool
	forced      bool
	method      string
	names       []string // in lower case
}

func (c *Cache) key(q *question) cacheKey {
	k := cacheKey{origin: q.origin, url: q.url}
	if c.engine == Standard || c.engine == Firefox {
		k.credentials = q.credentials
	}
	return k
}

// covers reports whether no preflight is needed at a time.
func (c *Cache) covers(q *question, now time.Duration) bool {
	key := c.key(q)
	entry := c.entries[key]
	switch c.engine {
	case Standard:
		return c.coversByToken(q, now)
	case Firefox:
		return entry != nil && entry.coversLiterally(q, now)
	}
	if entry == nil {
		return false
	}
	if entry.coversWhole(c.engine, q, now) {
		return true
	}
	delete(c.entries, key)
	return false
}

// coversByToken looks at what is known with these credentials, and without any
// also at what is known with them.
func (c *Cache) coversByToken(q *question, now time.Duration) bool {
	known := []*cacheEntry{c.entries[cacheKey{q.origin, q.url, true}]}
	if !q.credentials {
		known = append(known, c.entries[cacheKey{q.origin, q.url, false}])
	}
	knows := func(of func(*cacheEntry) map[string]time.Duration, token string, wildcard bool) bool {
		return slices.ContainsFunc(known, func(e *cacheEntry) bool {
			return e != nil && (of(e)[token] > now || wildcard && !e.credentials && of(e)["*"] > now)
		})
	}
	methods := func(e *cacheEntry) map[string]time.Duration { return e.methods }
	names := func(e *cacheEntry) map[string]time.Duration { return e.names }
	if !knows(methods, q.method, true) && (q.forced || !IsSafelistedMethod(q.method)) {
		return false
	}
	for _, name := range q.names {
		if !knows(names, name, name != nonWildcardName) {
			return false
		}
	}
	return true
}

// coversLiterally is Firefox's: only GET and POST need no entry, and `*` is the
// name of a method.
func (e *cacheEntry) coversLiterally(q *question, now time.Duration) bool {
	if q.method != methodGet && q.method != methodPost && e.methods[q.method] <= now {
		return false
	}
	return !slices.ContainsFunc(q.names, func(name string) bool { return e.names[name] <= now })
}

// coversWhole is Chrome's and Safari's. Chrome holds `*` against Authorization
// here, though not in the preflight itself.
func (e *cacheEntry) coversWhole(engine Engine, q *question, now time.Duration) bool {
	if e.until < now || (engine == Chrome && e.until == now) || (q.credentials && !e.credentials) {
		return false
	}
	// What `*` means depends for Chrome on the request that the answer was for,
	// and for Safari on the one that it is to cover.
	literal := e.credentials
	if engine == Safari {
		literal = q.credentials
	}
	knows := func(tokens map[string]time.Duration, token string, wildcard bool) bool {
		_, ok := tokens[token]
		_, all := tokens["*"]
		return ok || (all && wildcard && !literal)
	}
	if !IsSafelistedMethod(q.method) && !knows(e.methods, q.method, true) {
		return false
	}
	return !slices.ContainsFunc(q.names, func(name string) bool {
		return !knows(e.names, name, engine == Safari || name != nonWildcardName)
	})
}

// remember notes a preflight's answer.
func (c *Cache) remember(q *question, v *verdict, headers []Header, now time.Duration) {
	age := maxAge(c.engine, headers)
	switch {
	case c.engine == Chrome && (len(q.url) >= maxChromeURL || q.origin == OpaqueOrigin):
		return
	case c.engine == Firefox && (age == 0 || len(v.methods.tokens) == 0 && len(v.names.tokens) == 0):
		return
	}
	key, until := c.key(q), now+age
	entry := c.entries[key]
	if entry == nil || c.engine == Chrome || c.engine == Safari {
		entry = &cacheEntry{methods: map[string]time.Duration{}, names: map[string]time.Duration{}}
		c.entries[key] = entry
	}
	entry.credentials, entry.until = q.credentials, until
	for _, method := range v.methods.tokens {
		entry.methods[method] = until
	}
	if c.engine == Standard && q.forced && !v.methods.present {
		entry.methods[q.method] = until
	}
	for _, name := range v.names.tokens {
		entry.names[lowerASCII(name)] = until
	}
}

// forget drops all that is known about a URL.
func (c *Cache) forget(q *question) {
	delete(c.entries, cacheKey{q.origin, q.url, false})
	delete(c.entries, cacheKey{q.origin, q.url, true})
}

// maxAge reads Access-Control-Max-Age as an engine does.
func maxAge(engine Engine, headers []Header) time.Duration {
	value, present := combine(headers, maxAgeName)
	if !present || value == "" {
		return defaultAge
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if !isDigits(value) {
		switch {
		case engine == Firefox:
			return 0
		case engine == Standard, err != nil, value[0] == '+' && engine == Chrome:
			return defaultAge
		case seconds < 0 && engine == Chrome:
			return 0
		case seconds < 0:
			return -time.Second // expired at once
		}
	}
	limit := longestAge
	switch engine {
	case Chrome:
		limit = maxAgeChrome
	case Firefox:
		limit = maxAgeFirefox
	case Safari:
		limit = maxAgeSafari
	}
	if err != nil { // beyond 64 bits
		if engine == Chrome || engine == Safari {
			return defaultAge
		}
		return limit
	}
	if seconds > int64(limit/time.Second) {
		return limit
	}
	return time.Duration(seconds) * time.Second
}
