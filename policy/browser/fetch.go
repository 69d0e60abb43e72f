package browser

import (
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Access is what a page gets of a response.
type Access uint8

const (
	// AccessBlocked is nothing. It is the zero value.
	AccessBlocked Access = iota
	// AccessOpaque is a response that the page may use, as it shows an image,
	// but not read.
	AccessOpaque
	// AccessReadable is a response that the script reads, and for a WebSocket an
	// open connection.
	AccessReadable
)

var accessWords = [...]string{"blocked", "opaque", "readable"}

// String returns the word for a in output that programs read.
func (a Access) String() string {
	if int(a) >= len(accessWords) {
		return "unknown"
	}
	return accessWords[a]
}

// An Exchange is a request that was sent, and its answer.
type Exchange struct {
	Request   ServerRequest
	Response  ServerResponse
	Preflight bool
}

// An Outcome is what became of a request.
type Outcome struct {
	Access Access
	// Block says why, where Access is [AccessBlocked].
	Block Block
	// Response is the last answer to an actual request.
	Response ServerResponse
	// Headers are those of it that the script sees.
	Headers []Header
	// Timing says whether the page may read its detailed timing.
	Timing bool
	// Cached says that a remembered preflight was enough, at least once.
	Cached bool
	// AuthorizationWarning says that Authorization was let through by `*`, of
	// which Chrome and Firefox warn.
	AuthorizationWarning bool
	// Exchanges are all that was sent, in order.
	Exchanges []Exchange
}

// Shared reports whether the script may read the response.
func (o *Outcome) Shared() bool { return o.Access == AccessReadable }

// Options is what [Fetch] depends on besides the request.
type Options struct {
	Engine Engine
	// Cache remembers preflights; nil remembers none. It must be of Engine.
	Cache *Cache
	// Now is the time since any moment that the caller keeps.
	Now time.Duration
}

// A Server answers requests.
type Server func(ServerRequest) ServerResponse

// maxRedirects is how often a request may be redirected (Fetch standard,
// "HTTP-redirect fetch").
const maxRedirects = 20

// Fetch plays a whole fetch: the preflight where one is needed, the request
// itself, redirects, the checks and the filtering (Fetch standard, section
// "Fetching").
func Fetch(r *Request, server Server, options Options) Outcome {
	v := visit{
		hop: hop{request: r, urls: urlList(r)}, options: options, server: server,
		method: r.method(), headers: r.sends(options.Engine), stream: r.Stream,
	}
	v.unsafe = len(unsafeNames(options.Engine, v.headers)) > 0
	switch {
	case IsForbiddenMethod(v.method):
		v.block(FailureForbiddenMethod, v.method)
	case r.Mode == ModeNoCORS && !IsSafelistedMethod(v.method):
		v.block(FailureMode, v.method)
	default:
		for v.step() {
		}
	}
	return v.outcome
}

// urlList is a request's URL as a list that redirects add to.
func urlList(r *Request) []*url.URL {
	u := *r.URL
	if u.Path == "" && u.Opaque == "" {
		u.Path = "/"
	}
	return []*url.URL{&u}
}

// tainting is what has become of a request's own origin on its way.
type tainting uint8

const (
	taintingBasic tainting = iota
	taintingCORS
	taintingOpaque
)

// A visit is a fetch under way.
type visit struct {
	hop

	options  Options
	server   Server
	method   string
	headers  []Header
	stream   bool
	tainting tainting
	// unsafe says that the script set headers that need permission, and asked
	// that a request on the way needed a preflight.
	unsafe, asked bool
	outcome       Outcome
}

// step makes one request and reports whether it was redirected (Fetch standard,
// "main fetch" and "HTTP fetch").
func (v *visit) step() (again bool) {
	if !v.setTainting() {
		return false
	}
	preflighted := v.tainting == taintingCORS && v.needsPreflight()
	if preflighted && !v.permitted() {
		return false
	}
	request := v.actualRequest()
	response := v.send(request, false)
	v.outcome.Response = response
	if response.Status == 0 {
		v.block(FailureNetwork, "")
		return false
	}
	if why, value := v.checkResponse(&response); why != FailureNone {
		if v.options.Cache != nil && (v.options.Engine == Firefox || v.options.Engine == Standard && preflighted) {
			v.options.Cache.forget(v.question())
		}
		v.block(why, value)
		if v.options.Engine != Firefox || v.request.Redirect == RedirectFollow { // Else it did not look.
			v.outcome.Block.Location = v.locationOf(&response)
		}
		return false
	}
	if isRedirect(&response) {
		return v.redirected(&response)
	}
	v.finish(&response)
	return false
}

// setTainting decides by which rules the next request goes, or blocks it.
func (v *visit) setTainting() bool {
	r, target := v.request, v.target()
	if !isFetchable(schemeOf(target), r.Mode) {
		v.block(FailureScheme, "")
		return false
	}
	switch {
	case r.Mode == ModeNavigate, r.Mode == ModeWebSocket:
	case sameOrigin(r.Origin, target) && v.tainting == taintingBasic:
	case r.Mode == ModeSameOrigin, r.Mode == ModeNoCORS && r.Redirect != RedirectFollow:
		v.block(FailureMode, r.Mode.String())
		return false
	case r.Mode == ModeNoCORS:
		v.tainting = taintingOpaque
	default:
		v.tainting = taintingCORS
	}
	return true
}

// isFetchable reports whether a scheme is HTTP's, or for a WebSocket its own.
func isFetchable(scheme string, mode Mode) bool {
	switch scheme {
	case "http", "https":
		return true
	case "ws", "wss":
		return mode == ModeWebSocket
	}
	return false
}

// needsPreflight reports whether the next request is asked for. Firefox goes on
// to ask after a redirect that took away the reason.
func (v *visit) needsPreflight() bool {
	needs := v.request.forcesPreflight() || !IsSafelistedMethod(v.method) || len(unsafeNames(v.options.Engine, v.headers)) > 0
	if v.options.Engine == Firefox {
		needs = needs || v.unsafe || v.asked
		v.asked = needs
	}
	return needs
}

// permitted asks the cache and then the server, and reports whether the request
// may be sent.
func (v *visit) permitted() bool {
	cache, q := v.options.Cache, v.question()
	if cache != nil && cache.covers(q, v.options.Now) {
		v.outcome.Cached = true
		return true
	}
	response := v.send(v.preflightRequest(), true)
	if response.Status == 0 {
		v.block(FailureNetwork, "")
		v.outcome.Block.Preflight = true
		return false
	}
	p := preflight{
		engine: v.options.Engine, origin: v.preflightOrigin(), method: v.method, headers: v.headers,
		credentials: v.request.Credentials, forced: v.request.forcesPreflight(),
	}
	checked := p.check(&response)
	v.outcome.AuthorizationWarning = v.outcome.AuthorizationWarning || checked.warns && checked.why == FailureNone
	if cache != nil {
		v.learn(cache, q, &checked, &response)
	}
	if checked.why == FailureNone {
		return true
	}
	v.block(checked.why, checked.value)
	v.outcome.Block.Preflight, v.outcome.Block.Token, v.outcome.Block.Status = true, checked.token, response.Status
	v.outcome.Block.Location = v.locationOf(&response)
	return false
}

// learn remembers a preflight's answer, or forgets what was known.
func (v *visit) learn(cache *Cache, q *question, checked *verdict, response *ServerResponse) {
	switch why := checked.why; {
	case why == FailureNone,
		v.options.Engine == Safari && (why == FailureMethodNotAllowed || why == FailureHeaderNotAllowed):
		cache.remember(q, checked, response.Headers, v.options.Now)
	case v.options.Engine == Standard, v.options.Engine == Firefox:
		cache.forget(q)
	}
}

// isAccessFailure reports whether a failure is of the CORS check.
func isAccessFailure(why Failure) bool {
	return why >= FailureMissingAllowOrigin && why <= FailureAllowCredentials
}

// preflightOrigin is whom a preflight is for. Firefox names the page, even where
// the request itself will hide it behind a redirect.
func (v *visit) preflightOrigin() string {
	if v.options.Engine == Firefox {
		return v.request.Origin
	}
	return v.origin()
}

func (v *visit) question() *question {
	origin := v.origin()
	if v.options.Engine == Chrome || v.options.Engine == Firefox {
		origin = v.request.Origin // their keys know nothing of redirects
	}
	return &question{
		origin: origin, url: v.sentURL().String(), credentials: v.request.includesCredentials(),
		forced: v.request.forcesPreflight(), method: v.method, names: unsafeNames(v.options.Engine, v.headers),
	}
}

// checkResponse is the CORS check or the resource policy's, whichever applies.
func (v *visit) checkResponse(response *ServerResponse) (why Failure, value string) {
	switch v.tainting {
	case taintingCORS:
		return CORSCheck(v.options.Engine, v.origin(), v.request.Credentials, response.Headers)
	case taintingOpaque:
		if !ResourcePolicyAllows(v.request.Origin, v.target(), response.Headers) {
			value, _ = combine(response.Headers, resourcePolicyName)
			return FailureResourcePolicy, value
		}
	}
	return FailureNone, ""
}

// finish hands the page what it may have.
func (v *visit) finish(response *ServerResponse) {
	o := &v.outcome
	o.Timing = v.tainting == taintingBasic && v.request.Mode != ModeNavigate || TimingAllow(v.origin(), response.Headers)
	switch {
	case v.request.Mode == ModeWebSocket && response.Status != 101:
		v.block(FailureHandshake, "")
	case v.request.Mode == ModeWebSocket:
		o.Access = AccessReadable
	case v.request.Mode == ModeNavigate, v.tainting == taintingOpaque:
		o.Access = AccessOpaque
	case v.tainting == taintingBasic:
		o.Access, o.Headers = AccessReadable, filterBasic(response.Headers)
	default:
		o.Access, o.Headers = AccessReadable, Filter(v.request.Credentials, response.Headers)
	}
}

// redirected follows a redirect, or blocks it (Fetch standard, "HTTP-redirect
// fetch").
func (v *visit) redirected(response *ServerResponse) (again bool) {
	switch {
	case v.request.Mode == ModeWebSocket, v.request.Redirect == RedirectError:
		v.block(FailureRedirectNotAllowed, "")
		return false
	case v.request.Redirect == RedirectManual:
		v.outcome.Access = AccessOpaque
		return false
	}
	location, err := v.parseLocation(response)
	if err != nil {
		v.block(FailureNetwork, "")
		return false
	}
	if why := v.checkRedirect(location, response.Status); why != FailureNone {
		v.block(why, location.String())
		if why == FailureRedirectCredentials || why == FailureRedirectScheme {
			v.outcome.Block.Location = location.String()
		}
		return false
	}
	v.rewrite(location, response.Status)
	v.urls = append(v.urls, location)
	return true
}

// parseLocation resolves where a redirect leads.
func (v *visit) parseLocation(response *ServerResponse) (*url.URL, error) {
	text, _ := combine(response.Headers, "location")
	location, err := v.url().Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the location %q: %w", text, err)
	}
	if location.Path == "" && location.Opaque == "" {
		location.Path = "/"
	}
	return location, nil
}

// locationOf is parseLocation as text, or "" where a response leads nowhere.
func (v *visit) locationOf(response *ServerResponse) string {
	if !isRedirect(response) {
		return ""
	}
	location, err := v.parseLocation(response)
	if err != nil {
		return ""
	}
	return location.String()
}

func (v *visit) checkRedirect(location *url.URL, status int) Failure {
	withUser := location.User != nil && location.User.String() != ""
	switch {
	case location.Scheme != "http" && location.Scheme != "https":
		return FailureRedirectScheme
	case len(v.urls) > maxRedirects:
		return FailureTooManyRedirects
	case withUser && v.request.Mode == ModeCORS && !sameOrigin(v.request.Origin, OriginOf(location)),
		withUser && v.tainting == taintingCORS:
		return FailureRedirectCredentials
	case status != 303 && v.stream:
		return FailureRedirectBody
	}
	return FailureNone
}

// rewrite makes the request that a redirect asks for.
func (v *visit) rewrite(location *url.URL, status int) {
	toGet := (status == 301 || status == 302) && v.method == methodPost ||
		status == 303 && v.method != methodGet && v.method != methodHead
	if toGet {
		v.method, v.stream = methodGet, false
	}
	foreign := !sameOrigin(v.target(), OriginOf(location))
	v.headers = slices.DeleteFunc(v.headers, func(h Header) bool {
		switch lowerASCII(h.Name) {
		case "content-encoding", "content-language", "content-location", "content-type":
			return toGet
		case nonWildcardName:
			return foreign
		}
		return false
	})
}

// send makes one exchange.
func (v *visit) send(request ServerRequest, preflight bool) ServerResponse {
	response := v.server(request)
	v.outcome.Exchanges = append(v.outcome.Exchanges, Exchange{Request: request, Response: response, Preflight: preflight})
	return response
}

// block notes why the page gets nothing.
func (v *visit) block(why Failure, value string) {
	first, last := v.urls[0].String(), v.url().String()
	b := Block{
		Failure: why, Value: value, Status: v.outcome.Response.Status, URL: last,
		Origin: v.request.Origin, SentOrigin: v.origin(), Initiator: v.request.Initiator,
	}
	if first != last {
		b.RedirectedFrom = first
	}
	v.outcome.Access, v.outcome.Block = AccessBlocked, b
}
