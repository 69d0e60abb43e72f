package browser

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// OriginOf serialises a URL's origin (URL standard, section "Origin"). Schemes
// without one yield [OpaqueOrigin].
func OriginOf(u *url.URL) string {
	scheme := lowerASCII(u.Scheme)
	port, ok := schemePort(scheme)
	if !ok || u.Host == "" {
		return OpaqueOrigin
	}
	host := lowerASCII(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := u.Port(); p != "" && p != port {
		host = net.JoinHostPort(strings.Trim(host, "[]"), p)
	}
	return scheme + "://" + host
}

// schemePort returns the default port of a scheme that has origins.
func schemePort(scheme string) (port string, ok bool) {
	switch scheme {
	case "http", "ws":
		return "80", true
	case "https", "wss":
		return "443", true
	case "ftp":
		return "21", true
	}
	return "", false
}

// sameOrigin compares serialised origins. An opaque one is like no other.
func sameOrigin(a, b string) bool { return a == b && a != OpaqueOrigin }

// sameHostSite compares the registrable domains of two origins (HTML standard,
// "schemelessly same site").
func sameHostSite(a, b string) bool {
	return a != OpaqueOrigin && b != OpaqueOrigin && siteOf(a) == siteOf(b)
}

// sameSite is sameHostSite with the scheme (HTML standard, "same site").
func sameSite(a, b string) bool { return sameHostSite(a, b) && schemeOf(a) == schemeOf(b) }

func schemeOf(origin string) string {
	scheme, _, _ := strings.Cut(origin, "://")
	return scheme
}

// siteOf is the registrable domain of an origin's host, or the host itself where
// it has none.
func siteOf(origin string) string {
	host := hostOf(origin)
	if site, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil && !isIP(host) {
		return site
	}
	return host
}

func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// isTrustworthy reports whether what comes from an origin cannot have been
// tampered with on the way (Secure Contexts, "potentially trustworthy origin").
// Only to such does a browser send Sec-Fetch headers.
func isTrustworthy(origin string) bool {
	host := hostOf(origin)
	addr, err := netip.ParseAddr(host)
	switch scheme := schemeOf(origin); {
	case scheme == "https", scheme == "wss":
		return true
	case err == nil:
		return addr.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// hop is where a request has come on its way, redirects and all.
type hop struct {
	request *Request
	urls    []*url.URL // the first is the request's own
}

func (h *hop) url() *url.URL { return h.urls[len(h.urls)-1] }

func (h *hop) target() string { return OriginOf(h.url()) }

// tainted reports whether the request's origin is to be hidden: it was
// redirected from one foreign origin to another (Fetch standard,
// "redirect-taint").
func (h *hop) tainted() bool {
	for i := 1; i < len(h.urls); i++ {
		from, to := OriginOf(h.urls[i-1]), OriginOf(h.urls[i])
		if !sameOrigin(from, to) && !sameOrigin(h.request.Origin, from) {
			return true
		}
	}
	return false
}

// origin serialises the request's origin (Fetch standard, "serializing a request
// origin").
func (h *hop) origin() string {
	if h.tainted() {
		return OpaqueOrigin
	}
	return h.request.Origin
}

// site is the value of Sec-Fetch-Site (Fetch Metadata, "set the Sec-Fetch-Site
// header"): the farthest that the request has been. Firefox calls a redirect that
// came by plain http another site's.
func (h *hop) site(engine Engine) string {
	site, plain := "same-origin", false
	for i, u := range h.urls {
		plain = plain || i+1 < len(h.urls) && schemeOf(OriginOf(u)) == "http"
		switch target := OriginOf(u); {
		case sameOrigin(h.request.Origin, target):
		case !sameSite(h.request.Origin, target):
			return "cross-site"
		default:
			site = "same-site"
		}
	}
	if engine == Firefox && plain && site == "same-site" {
		return "cross-site"
	}
	return site
}
