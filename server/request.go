package server

import (
	"errors"
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/corsgate/corsgate/policy"
)

// The keys of Envoy's context_extensions that corsgate reads. A route sets them
// in its ExtAuthzPerRoute.
const (
	// extensionPolicy names the policy that governs the route.
	extensionPolicy = "corsgate.policy"
	// extensionVary says who sends "Vary: Origin" for the route. Only the value
	// varyByRoute means anything: with any other, corsgate sends it, and a
	// header too many does no harm where one too few would.
	extensionVary = "corsgate.vary"
	varyByRoute   = "route"
)

// Why a CheckRequest cannot be decided. Envoy never sends such a request; what
// does is misconfigured or not Envoy.
var (
	errNotCheck = errors.New("the message is no CheckRequest")
	errNoHTTP   = errors.New("the check request holds no HTTP request (attributes.request.http)")
	errNoMethod = errors.New("the check request's HTTP request has no method")
	errNoHost   = errors.New("the check request's HTTP request has no host")
)

// readRequest fills r from what was asked, in whatever form protobuf allows.
func readRequest(check *authv3.CheckRequest, r *policy.Request) error {
	http := check.GetAttributes().GetRequest().GetHttp()
	switch {
	case http == nil:
		return errNoHTTP
	case http.GetMethod() == "":
		return errNoMethod
	case http.GetHost() == "":
		return errNoHost
	}
	r.Method = http.GetMethod()
	r.Scheme = http.GetScheme()
	r.Host = http.GetHost()
	r.Path = http.GetPath()

	// Envoy fills one of the two, by encode_raw_headers. Reading both means that
	// an Origin cannot hide in the other.
	for _, header := range http.GetHeaderMap().GetHeaders() {
		if field := headerField(r, header.GetKey()); field != nil {
			*field = joinLines(*field, headerValue(header))
		}
	}
	r.PrivateNetwork = privateNetwork(http)
	raw := *r
	// A map may hold one header in two spellings; in order, they come out the same
	// each time.
	headers := http.GetHeaders()
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if field := headerField(r, name); field != nil && *headerField(&raw, name) != headers[name] {
			*field = joinLines(*field, headers[name])
		}
	}

	extensions := check.GetAttributes().GetContextExtensions()
	r.PolicyName = extensions[extensionPolicy]
	r.RouteVaries = extensions[extensionVary] == varyByRoute
	return nil
}

// privateNetworkHeader is what Chromium 104 to 137 ask for with a preflight.
const privateNetworkHeader = "access-control-request-private-network"

// privateNetwork says whether a request asks for access to a private network.
// The header has one meaning, "true", so only its lines are looked at.
func privateNetwork(http *authv3.AttributeContext_HttpRequest) bool {
	asked := func(name, value string) bool { return value == "true" && isPrivateNetwork(name) }
	for _, header := range http.GetHeaderMap().GetHeaders() {
		if asked(header.GetKey(), headerValue(header)) {
			return true
		}
	}
	for name, value := range http.GetHeaders() {
		if asked(name, value) {
			return true
		}
	}
	return false
}

// isPrivateNetwork says whether a header is the one that asks for that.
func isPrivateNetwork(name string) bool {
	return len(name) == len(privateNetworkHeader) && strings.EqualFold(name, privateNetworkHeader)
}

// headerValue returns a header's value, in whichever of its two fields it came.
func headerValue(header *corev3.HeaderValue) string {
	if raw := header.GetRawValue(); len(raw) > 0 {
		return string(raw)
	}
	return header.GetValue()
}

// joinLines joins two lines of one header (RFC 9110, section 5.3). An empty line
// beside another says nothing; Envoy drops it too.
func joinLines(first, second string) string {
	switch {
	case first == "":
		return second
	case second == "":
		return first
	default:
		return first + "," + second
	}
}

// headerField returns where a header goes, or nil if decisions do not look at
// it. Names are compared without regard to case (RFC 9110, section 5.1).
func headerField(r *policy.Request, name string) *string {
	// The length is checked first: most headers of a request are not ours, and
	// this costs them one comparison.
	switch len(name) {
	case len("origin"):
		if strings.EqualFold(name, "origin") {
			return &r.Origin
		}
	case len("upgrade"):
		if strings.EqualFold(name, "upgrade") {
			return &r.Upgrade
		}
	case len("sec-fetch-site"): // as long as sec-fetch-mode
		if strings.EqualFold(name, "sec-fetch-site") {
			return &r.FetchSite
		}
		if strings.EqualFold(name, "sec-fetch-mode") {
			return &r.FetchMode
		}
	case len("access-control-request-method"):
		if strings.EqualFold(name, "access-control-request-method") {
			return &r.RequestMethod
		}
	case len("access-control-request-headers"):
		if strings.EqualFold(name, "access-control-request-headers") {
			return &r.RequestHeaders
		}
	}
	return nil
}
