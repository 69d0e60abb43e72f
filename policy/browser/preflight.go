package browser

import "strings"

// CauseKind is a kind of reason for a preflight.
type CauseKind uint8

const (
	// CauseMethod is a method other than GET, HEAD and POST.
	CauseMethod CauseKind = iota
	// CauseHeader is a header that is not safelisted.
	CauseHeader
	// CauseValue is a safelisted header with a value that is not: an unusual
	// Accept, a range with an end alone, a Content-Type that no form sends.
	CauseValue
	// CauseTotal is safelisted headers whose values come to more than 1,024
	// bytes.
	CauseTotal
	// CauseUploadListener is a listener to an upload's progress.
	CauseUploadListener
	// CauseStream is a body that is a stream.
	CauseStream
)

var causeWords = [...]string{"method", "header", "value", "total", "upload_listener", "stream"}

// String returns the word for k in output that programs read.
func (k CauseKind) String() string {
	if int(k) >= len(causeWords) {
		return "unknown"
	}
	return causeWords[k]
}

// A Cause is one reason for a preflight.
type Cause struct {
	Kind CauseKind
	// Name is the method, or the header as the script wrote it.
	Name string
	// Value is the header's value, for [CauseValue].
	Value string
}

// NeedsPreflight reports whether a browser asks before it sends a request, and
// why (Fetch standard, "main fetch"). Requests to the page's own origin and in
// other modes than cors never need it.
func NeedsPreflight(r *Request) (needs bool, causes []Cause) {
	if r.Mode != ModeCORS || sameOrigin(r.Origin, OriginOf(r.URL)) {
		return false, nil
	}
	causes = preflightCauses(r.method(), r.sends(Standard))
	if r.UploadListener {
		causes = append(causes, Cause{Kind: CauseUploadListener})
	}
	if r.Stream {
		causes = append(causes, Cause{Kind: CauseStream})
	}
	return len(causes) > 0, causes
}

// preflightCauses is what of a method and headers needs permission.
func preflightCauses(method string, headers []Header) []Cause {
	var causes []Cause
	if !IsSafelistedMethod(method) {
		causes = append(causes, Cause{Kind: CauseMethod, Name: method})
	}
	size := 0
	for _, h := range headers {
		switch {
		case IsSafelistedRequestHeader(h.Name, h.Value):
			size += len(h.Value)
		case isSafelistedName(h.Name):
			causes = append(causes, Cause{Kind: CauseValue, Name: h.Name, Value: h.Value})
		default:
			causes = append(causes, Cause{Kind: CauseHeader, Name: h.Name})
		}
	}
	if size > maxSafeValues {
		causes = append(causes, Cause{Kind: CauseTotal})
	}
	return causes
}

// isSafelistedName reports whether a header needs no permission with some value.
func isSafelistedName(name string) bool {
	switch lowerASCII(name) {
	case "accept", "accept-language", "content-language", "content-type", "range":
		return true
	}
	return false
}

// PreflightRequest is the preflight of a request as an engine sends it (Fetch
// standard, "CORS-preflight fetch").
func PreflightRequest(engine Engine, r *Request) ServerRequest {
	v := visit{hop: hop{request: r, urls: urlList(r)}, options: Options{Engine: engine}, method: r.method(), headers: r.sends(engine)}
	return v.preflightRequest()
}

// preflight is what a browser weighs a preflight's answer against.
type preflight struct {
	engine      Engine
	origin      string
	method      string
	headers     []Header // of the request that is to follow
	credentials Credentials
	forced      bool
}

// verdict is what a browser makes of a preflight's answer.
type verdict struct {
	why          Failure
	value, token string
	methods      tokenList
	names        tokenList
	// warns says that Authorization was let through by `*`.
	warns bool
}

// PreflightCheck decides whether a preflight's answer permits a request, in an
// engine's own order of checks (Fetch standard, "CORS-preflight fetch"). It
// returns the failure and what was at fault.
func PreflightCheck(engine Engine, r *Request, response ServerResponse) (why Failure, value string) {
	p := preflight{
		engine: engine, origin: r.Origin, method: r.method(), headers: r.sends(engine),
		credentials: r.Credentials, forced: r.forcesPreflight(),
	}
	v := p.check(&response)
	return v.why, v.value
}

func (p *preflight) check(response *ServerResponse) verdict {
	methods, names := parseList(response.Headers, allowMethodsName), parseList(response.Headers, allowHeadersName)
	v := verdict{methods: methods, names: names}
	if v.why, v.value = p.checkAnswer(response); v.why != FailureNone {
		return v
	}
	if p.engine == Firefox {
		// It reads each list when it needs it.
		return p.checkLists(v, p.checkMethodsList, p.checkMethod, p.checkHeadersList, p.checkHeaders)
	}
	return p.checkLists(v, p.checkMethodsList, p.checkHeadersList, p.checkMethod, p.checkHeaders)
}

// checkAnswer is the CORS check, the redirect and the status, of which Safari
// looks at the status first.
func (p *preflight) checkAnswer(response *ServerResponse) (why Failure, value string) {
	redirected := isRedirect(response)
	success := response.Status >= 200 && response.Status <= 299
	switch {
	case redirected && p.engine == Chrome:
		return FailurePreflightRedirect, ""
	case !success && p.engine == Safari:
		return FailurePreflightStatus, ""
	}
	if why, value := CORSCheck(p.engine, p.origin, p.credentials, response.Headers); why != FailureNone {
		return why, value
	}
	switch {
	case redirected && p.engine == Firefox:
		return FailurePreflightRedirect, ""
	case !success:
		return FailurePreflightStatus, ""
	}
	return FailureNone, ""
}

// checkLists runs checks until one fails.
func (p *preflight) checkLists(v verdict, checks ...func(*verdict)) verdict {
	for _, check := range checks {
		if check(&v); v.why != FailureNone {
			break
		}
	}
	return v
}

func (p *preflight) checkMethodsList(v *verdict) {
	if v.methods.invalid {
		v.why, v.value, v.token = FailureInvalidAllowMethods, v.methods.value, v.methods.bad
	}
}

func (p *preflight) checkHeadersList(v *verdict) {
	if v.names.invalid {
		v.why, v.value, v.token = FailureInvalidAllowHeaders, v.names.value, v.names.bad
	}
}

func (p *preflight) checkMethod(v *verdict) {
	switch {
	case IsSafelistedMethod(p.method), v.methods.has(p.method):
	case p.credentials != CredentialsInclude && v.methods.has("*"):
	case p.engine == Standard && p.forced && !v.methods.present:
		// A preflight that was forced by a listener or a stream asks for
		// itself, not for the method.
	default:
		v.why, v.value = FailureMethodNotAllowed, p.method
	}
}

func (p *preflight) checkHeaders(v *verdict) {
	wildcard := p.credentials != CredentialsInclude && v.names.has("*")
	for _, name := range p.unsafeNames() {
		switch {
		case v.names.hasFold(name):
		case wildcard && !equalFold(name, nonWildcardName):
		case wildcard && p.engine != Standard:
			// No engine enforces the standard here yet: the first two warn of it.
			v.warns = p.engine != Safari
		default:
			v.why, v.value = FailureHeaderNotAllowed, name
			return
		}
	}
}

// unsafeNames returns the names to permit, in the order and spelling in which the
// engine names the first that is refused. Chrome's order is that of a hash table,
// so where several are refused it may name another.
func (p *preflight) unsafeNames() []string {
	names := unsafeNames(p.engine, p.headers)
	if p.engine != Safari {
		return names
	}
	return webKitOrder(names, p.headers)
}

// webKitOrder is WebKit's: headers that it knows in its own spelling, then the
// others in the script's, each group in the script's order.
func webKitOrder(names []string, headers []Header) []string {
	unsafe := make(map[string]bool, len(names))
	for _, name := range names {
		unsafe[name] = true
	}
	var known, others []string
	for _, h := range headers {
		name := lowerASCII(h.Name)
		if !unsafe[name] {
			continue
		}
		delete(unsafe, name)
		if spelling, ok := webKitSpelling(name); ok {
			known = append(known, spelling)
		} else {
			others = append(others, h.Name)
		}
	}
	return append(known, others...)
}

// webKitSpelling returns how WebKit spells a header that it knows by itself.
func webKitSpelling(name string) (string, bool) {
	switch name {
	case "accept", "accept-language", "authorization", "cache-control", "content-encoding", "content-language",
		"content-type", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
		"last-event-id", "pragma", "range":
	default:
		return "", false
	}
	if name == "last-event-id" {
		return "Last-Event-ID", true
	}
	parts := strings.Split(name, "-")
	for i, part := range parts {
		parts[i] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "-"), true
}

// isRedirect reports whether a response leads elsewhere: without a location it
// is like any other.
func isRedirect(response *ServerResponse) bool {
	switch response.Status {
	case 301, 302, 303, 307, 308:
		_, ok := combine(response.Headers, "location")
		return ok
	}
	return false
}
