package browser

import (
	"net/url"
	"slices"
	"strings"
)

// A Header is one header line, its name in any case.
type Header struct {
	Name, Value string
}

// Mode is a request's mode (Fetch standard, section "Requests").
type Mode uint8

const (
	// ModeCORS is of fetch and XMLHttpRequest, fonts, module scripts and of
	// elements with a `crossorigin` attribute. It is the zero value.
	ModeCORS Mode = iota
	// ModeNoCORS is of plain images, scripts and styles, of beacons, and of
	// fetch where a script asks for it.
	ModeNoCORS
	// ModeSameOrigin never leaves the page's own origin.
	ModeSameOrigin
	// ModeNavigate is of links and forms.
	ModeNavigate
	// ModeWebSocket is of a WebSocket's handshake.
	ModeWebSocket
)

var modeWords = [...]string{"cors", "no-cors", "same-origin", "navigate", "websocket"}

// String returns the standard's word for m.
func (m Mode) String() string {
	if int(m) >= len(modeWords) {
		return "unknown"
	}
	return modeWords[m]
}

// Credentials is a request's credentials mode: when cookies, client certificates
// and HTTP authentication go with it.
type Credentials uint8

const (
	// CredentialsSameOrigin sends them to the page's own origin alone. It is
	// fetch's default, and the zero value.
	CredentialsSameOrigin Credentials = iota
	// CredentialsOmit never sends them.
	CredentialsOmit
	// CredentialsInclude always sends them; `withCredentials` of XMLHttpRequest.
	CredentialsInclude
)

var credentialsWords = [...]string{"same-origin", "omit", "include"}

// String returns the standard's word for c.
func (c Credentials) String() string {
	if int(c) >= len(credentialsWords) {
		return "unknown"
	}
	return credentialsWords[c]
}

// Redirect is a request's redirect mode.
type Redirect uint8

const (
	// RedirectFollow follows redirects. It is the zero value.
	RedirectFollow Redirect = iota
	// RedirectError takes a redirect for an error.
	RedirectError
	// RedirectManual hands the script a response that it cannot read.
	RedirectManual
)

// ReferrerPolicy is the part of a referrer policy that changes the Origin header.
type ReferrerPolicy uint8

const (
	// ReferrerDefault is `strict-origin-when-cross-origin`, and for our purpose
	// `strict-origin` and `no-referrer-when-downgrade` too.
	ReferrerDefault ReferrerPolicy = iota
	// ReferrerNone is `no-referrer`.
	ReferrerNone
	// ReferrerSameOrigin is `same-origin`.
	ReferrerSameOrigin
	// ReferrerUnsafe is `unsafe-url`, `origin` or `origin-when-cross-origin`.
	ReferrerUnsafe
)

// Initiator is what in the page makes the request. It changes no check, only
// what is printed.
type Initiator uint8

const (
	// InitiatorFetch is fetch(). It is the zero value.
	InitiatorFetch Initiator = iota
	// InitiatorXHR is XMLHttpRequest.
	InitiatorXHR
	// InitiatorEventSource is EventSource.
	InitiatorEventSource
	// InitiatorFont is a font of a style sheet.
	InitiatorFont
	// InitiatorImage is an image with a `crossorigin` attribute.
	InitiatorImage
	// InitiatorScript is a module, or a script with a `crossorigin` attribute.
	InitiatorScript
	// InitiatorStylesheet is a style sheet with a `crossorigin` attribute.
	InitiatorStylesheet
	// InitiatorAudio is audio with a `crossorigin` attribute.
	InitiatorAudio
	// InitiatorVideo is video with a `crossorigin` attribute.
	InitiatorVideo
	// InitiatorTextTrack is a track of captions.
	InitiatorTextTrack
	// InitiatorManifest is a web app's manifest.
	InitiatorManifest

	initiatorCount
)

// OpaqueOrigin is how an origin serialises that is none: a sandboxed document, a
// file, a data: URL.
const OpaqueOrigin = "null"

// A Request is what a page asks its browser to send.
type Request struct {
	// Origin is the page's origin, serialised, or [OpaqueOrigin].
	Origin string
	// URL is absolute. Its scheme and host are in lower case.
	URL *url.URL
	// Method is as the script wrote it; empty is GET.
	Method string
	// Headers are those that the script sets, in its order.
	Headers []Header

	Mode           Mode
	Credentials    Credentials
	Redirect       Redirect
	ReferrerPolicy ReferrerPolicy
	Initiator      Initiator

	// UploadListener says that the script listens to the progress of an upload
	// (XMLHttpRequest's `upload`).
	UploadListener bool
	// Stream says that the body is a stream.
	Stream bool
}

// method is the request's method as a browser sends it.
func (r *Request) method() string {
	if r.Method == "" {
		return methodGet
	}
	return Normalize(r.Method)
}

// includesCredentials reports whether the checks must take credentials into
// account. A mode of same-origin never sends any across origins.
func (r *Request) includesCredentials() bool { return r.Credentials == CredentialsInclude }

// forcesPreflight is the standard's use-CORS-preflight flag.
func (r *Request) forcesPreflight() bool { return r.UploadListener || r.Stream }

// sends returns the headers that an engine lets the script send, as it does
// silently: forbidden ones are dropped, and in mode no-cors all that need
// permission. Chrome sends its own User-Agent, whatever the script says.
func (r *Request) sends(engine Engine) []Header {
	headers := slices.DeleteFunc(slices.Clone(r.Headers), func(h Header) bool {
		if IsForbiddenHeader(h.Name, h.Value) || engine == Chrome && equalFold(h.Name, "user-agent") {
			return true
		}
		return r.Mode == ModeNoCORS && (strings.EqualFold(h.Name, "range") || !IsSafelistedRequestHeader(h.Name, h.Value))
	})
	if r.Initiator == InitiatorXHR || engine == Chrome || engine == Safari {
		return joinLines(headers)
	}
	return headers
}

// joinLines makes one header of all that have a name. XMLHttpRequest does so by
// its standard; fetch does not, but two engines do.
func joinLines(headers []Header) []Header {
	var joined []Header
	for _, h := range headers {
		i := slices.IndexFunc(joined, func(j Header) bool { return equalFold(j.Name, h.Name) })
		if i < 0 {
			joined = append(joined, h)
			continue
		}
		joined[i].Value += ", " + h.Value
	}
	return joined
}

// A ServerRequest is a request as it reaches the server.
type ServerRequest struct {
	Method string
	URL    *url.URL
	// Headers are what the standard lets the browser send, in lower case, but
	// for those that say nothing of origins (User-Agent, Accept-Encoding …).
	Headers []Header
	// Credentials says whether cookies go with it.
	Credentials bool
}

// Get returns the value of a header, its lines joined.
func (r *ServerRequest) Get(name string) string {
	value, _ := combine(r.Headers, name)
	return value
}

// A ServerResponse is what comes back. A status of zero is no answer at all.
type ServerResponse struct {
	Status  int
	Headers []Header
	Body    string
}
