package explain

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/corsgate/corsgate/policy/browser"
)

// An address is a serialised origin in its parts. A port that was left out is
// spelled out.
type address struct{ scheme, host, port string }

// parseAddress reads a serialised origin. It reports false for one that is none,
// `null` among them.
func parseAddress(origin string) (address, bool) {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || rest == "" || strings.ContainsAny(rest, "/?#@, \t") {
		return address{}, false
	}
	a := address{scheme: scheme, host: rest, port: schemePort(scheme)}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		a.host, a.port = rest[:i], rest[i+1:]
	}
	return a, a.host != ""
}

// relate says how a page's origin stands to a URL.
func relate(origin string, target *url.URL) Relation {
	// A WebSocket's URL has the origin of the HTTP request that opens it.
	here := *target
	switch here.Scheme {
	case "ws":
		here.Scheme = "http"
	case "wss":
		here.Scheme = "https"
	}
	r := Relation{Target: browser.OriginOf(&here)}
	page, ok := parseAddress(origin)
	api, known := parseAddress(r.Target)
	switch {
	case origin == r.Target && origin != browser.OpaqueOrigin:
		r.SameSite = true
		r.Text = "The page and the URL have one origin, so CORS has no part in it."
		return r
	case !ok || !known:
		r.CrossOrigin = true
		r.Text = "It is cross-origin: " + origin + " is not an origin as browsers write one."
		if origin == browser.OpaqueOrigin {
			r.Text = "It is cross-origin: null is the same as no other origin, not even as another null."
		}
		return r
	}
	r.CrossOrigin = true
	r.SameSite = page.scheme == api.scheme && siteOf(page.host) == siteOf(api.host)
	var parts []string
	differ := func(name, a, b string) {
		if a != b {
			r.Differs = append(r.Differs, name)
			parts = append(parts, fmt.Sprintf("the %s differs (%s here, %s there)", name, a, b))
		}
	}
	differ("scheme", page.scheme, api.scheme)
	differ("host", page.host, api.host)
	if page.scheme == api.scheme || page.port != schemePort(page.scheme) || api.port != schemePort(api.scheme) {
		differ("port", portText(page), portText(api))
	}
	r.Text = "It is cross-origin: " + joinAnd(parts) + "."
	if r.SameSite {
		r.Text += " It is same-site, which CORS does not look at: the origins must be equal."
	}
	return r
}

func portText(a address) string {
	if a.port == "" {
		return "none"
	}
	return a.port
}

// siteOf is the registrable domain of a host, or the host itself.
func siteOf(host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return host
	}
	if site, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return site
	}
	return host
}

// causes says why a browser sends a preflight.
func (q *Question) causes() (needs bool, causes []Cause) {
	r := q.request()
	needs, found := browser.NeedsPreflight(r)
	for _, c := range found {
		cause := Cause{Kind: c.Kind.String(), Name: c.Name, Value: c.Value}
		switch {
		case c.Kind == browser.CauseUploadListener && !q.UploadListener:
			cause.Kind, cause.Text = "unknown", "something that the console does not name; --method and --header can say what"
		case c.Kind == browser.CauseMethod:
			cause.Text = "the method " + c.Name + ", which is not GET, HEAD or POST"
		case c.Kind == browser.CauseHeader:
			cause.Text = "the header " + c.Name + ", which is not safelisted"
		case c.Kind == browser.CauseValue && strings.EqualFold(c.Name, "content-type"):
			cause.Text = fmt.Sprintf("the value %q of Content-Type, which no form can send", c.Value)
		case c.Kind == browser.CauseValue:
			cause.Text = fmt.Sprintf("the value %q of %s, which is not safelisted", c.Value, c.Name)
		case c.Kind == browser.CauseTotal:
			cause.Text = "safelisted headers with more than 1,024 bytes of values in all"
		case c.Kind == browser.CauseUploadListener:
			cause.Text = "a listener to the upload's progress"
		case c.Kind == browser.CauseStream:
			cause.Text = "a body that is a stream"
		}
		causes = append(causes, cause)
	}
	return needs, causes
}

// joinAnd joins parts of a sentence.
func joinAnd(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
