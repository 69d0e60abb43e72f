package browser

import (
	"net/url"
	"strings"
)

// sentURL is the URL without what no server gets to see.
func (h *hop) sentURL() *url.URL {
	u := *h.url()
	u.Fragment, u.RawFragment, u.User = "", "", nil
	return &u
}

// actualRequest is the request as it is sent (Fetch standard, "HTTP-network-or-
// cache fetch").
func (v *visit) actualRequest() ServerRequest {
	r := v.request
	s := ServerRequest{Method: v.method, URL: v.sentURL()}
	for _, h := range v.headers {
		s.Headers = append(s.Headers, Header{lowerASCII(h.Name), h.Value})
	}
	if origin := v.originHeader(); origin != "" {
		s.Headers = append(s.Headers, Header{"origin", origin})
	}
	switch r.Mode {
	case ModeWebSocket:
		s.Headers = append(s.Headers, Header{"connection", "Upgrade"}, Header{"upgrade", "websocket"})
	default:
		s.Headers = v.appendMetadata(s.Headers, r.Mode)
	}
	s.Credentials = r.Credentials == CredentialsInclude || r.Mode == ModeNavigate || r.Mode == ModeWebSocket ||
		r.Credentials == CredentialsSameOrigin && v.tainting == taintingBasic
	return s
}

// preflightRequest asks for the request that is to follow (Fetch standard,
// "CORS-preflight fetch"). It never carries credentials.
func (v *visit) preflightRequest() ServerRequest {
	headers := []Header{
		{"accept", "*/*"},
		{"access-control-request-method", v.method},
	}
	if names := unsafeNames(v.options.Engine, v.headers); len(names) > 0 {
		headers = append(headers, Header{"access-control-request-headers", strings.Join(names, ",")})
	}
	headers = append(headers, Header{"origin", v.preflightOrigin()})
	return ServerRequest{Method: methodOptions, URL: v.sentURL(), Headers: v.appendMetadata(headers, ModeCORS)}
}

// originHeader is the value of Origin, or "" where there is none (Fetch standard,
// "append a request `Origin` header").
func (v *visit) originHeader() string {
	r := v.request
	switch {
	case v.tainting == taintingCORS, r.Mode == ModeWebSocket:
		return v.origin()
	case v.method == methodGet, v.method == methodHead:
		return ""
	case r.Mode == ModeCORS, r.Mode == ModeNoCORS && v.options.Engine == Chrome:
		return v.origin()
	}
	downgrade := schemeOf(r.Origin) == "https" && schemeOf(v.target()) != "https"
	switch r.ReferrerPolicy {
	case ReferrerNone:
		return OpaqueOrigin
	case ReferrerDefault:
		if downgrade {
			return OpaqueOrigin
		}
	case ReferrerSameOrigin:
		if !sameOrigin(r.Origin, v.target()) {
			return OpaqueOrigin
		}
	case ReferrerUnsafe:
	}
	return v.origin()
}

// appendMetadata adds what tells a server where a request comes from (Fetch
// Metadata Request Headers). Only trustworthy servers get it, and WebSockets
// send none.
func (v *visit) appendMetadata(headers []Header, mode Mode) []Header {
	if !isTrustworthy(v.target()) {
		return headers
	}
	return append(headers, Header{"sec-fetch-mode", mode.String()}, Header{"sec-fetch-site", v.site(v.options.Engine)})
}
