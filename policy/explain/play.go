package explain

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// A step is one request that a browser may send, and what is answered to it.
type step struct {
	sent     browser.ServerRequest
	wire     policy.Request
	decision policy.Decision
}

// A play is a question put to a set and to each engine.
type play struct {
	question *Question
	// preflight and request are nil where a browser never sends them, whatever
	// is answered.
	preflight, request *step
	outcomes           []outcome
}

// An outcome is what one engine makes of it.
type outcome struct {
	browser.Outcome

	engine     browser.Engine
	unreadable []string
}

// engines are those that must share a response for it to be shared: what the
// standard says counts too, since engines move towards it.
func engines() []browser.Engine { return append(browser.Engines(), browser.Standard) }

// perform asks a set and all engines.
func perform(set *policy.Set, q *Question) *play {
	p := &play{question: q}
	r := q.request()
	outcome := browser.Fetch(r, consent, browser.Options{Engine: browser.Standard})
	for i := range outcome.Exchanges {
		exchange := &outcome.Exchanges[i]
		s := decide(set, q, exchange.Request)
		if exchange.Preflight {
			p.preflight = &s
		} else {
			p.request = &s
		}
	}
	for _, engine := range engines() {
		p.outcomes = append(p.outcomes, fetch(set, q, r, browser.Options{Engine: engine}))
	}
	return p
}

// consent is a server that allows everything, to see what a browser would send.
func consent(r browser.ServerRequest) browser.ServerResponse {
	return browser.ServerResponse{Status: 200, Headers: []browser.Header{
		{Name: "access-control-allow-origin", Value: r.Get("origin")},
		{Name: "access-control-allow-credentials", Value: "true"},
		{Name: "access-control-allow-methods", Value: r.Get("access-control-request-method")},
		{Name: "access-control-allow-headers", Value: r.Get("access-control-request-headers")},
	}}
}

// decide puts a request to the set as Envoy would.
func decide(set *policy.Set, q *Question, sent browser.ServerRequest) step {
	s := step{sent: sent, wire: policy.Request{
		Method: sent.Method, Scheme: sent.URL.Scheme, Host: sent.URL.Host, Path: pathOf(sent.URL),
		Origin:         sent.Get("origin"),
		RequestMethod:  sent.Get("access-control-request-method"),
		RequestHeaders: sent.Get("access-control-request-headers"),
		FetchSite:      sent.Get("sec-fetch-site"), FetchMode: sent.Get("sec-fetch-mode"), Upgrade: sent.Get("upgrade"),
		PolicyName: q.PolicyName,
	}}
	switch s.wire.Scheme {
	case "ws":
		s.wire.Scheme = "http"
	case "wss":
		s.wire.Scheme = "https"
	}
	if q.FetchSite != "" {
		s.wire.FetchSite = q.FetchSite
	}
	s.decision = set.Decide(&s.wire)
	return s
}

// pathOf is the path as a browser sends it.
func pathOf(u *url.URL) string {
	path := u.EscapedPath()
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}

// fetch plays the whole with one engine, in front of a service that answers
// everything and knows nothing of CORS.
func fetch(set *policy.Set, q *Question, r *browser.Request, options browser.Options) outcome {
	server := func(sent browser.ServerRequest) browser.ServerResponse {
		s := decide(set, q, sent)
		return respond(&s.decision, q)
	}
	o := outcome{engine: options.Engine, Outcome: browser.Fetch(r, server, options)}
	if o.Access != browser.AccessReadable || r.Mode == browser.ModeWebSocket { // no script sees a handshake
		return o
	}
	for _, name := range q.ReadHeaders {
		if !slices.ContainsFunc(o.Headers, func(h browser.Header) bool { return strings.EqualFold(h.Name, name) }) {
			o.unreadable = append(o.unreadable, name)
		}
	}
	return o
}

// respond is our answer, or the service's with our headers on it.
func respond(d *policy.Decision, q *Question) browser.ServerResponse {
	response := browser.ServerResponse{Status: d.Status()}
	if d.Action == policy.ActionForward {
		response.Status = 200
		switch d.Kind {
		case policy.KindPreflight:
			response.Status = 405 // what most services answer to an OPTIONS
		case policy.KindWebSocket:
			response.Status = 101
		case policy.KindNotCORS, policy.KindActual:
			if q.Mode == browser.ModeWebSocket.String() {
				response.Status = 101
			}
		}
		for _, name := range q.ReadHeaders {
			response.Headers = append(response.Headers, browser.Header{Name: name, Value: "-"})
		}
	}
	for _, h := range d.Headers() {
		named := func(other browser.Header) bool { return strings.EqualFold(other.Name, h.Name) }
		there := slices.ContainsFunc(response.Headers, named)
		if h.Write == policy.WriteReplace && !there {
			continue
		}
		if h.Write != policy.WriteAppend {
			response.Headers = slices.DeleteFunc(response.Headers, named)
		}
		response.Headers = append(response.Headers, browser.Header{Name: h.Name, Value: h.Value})
	}
	return response
}

// decisive is the step that settles it: the preflight where that is refused, else
// the request. It is nil where nothing is ever sent.
func (p *play) decisive() *step {
	if p.preflight != nil && p.preflight.decision.Verdict == policy.VerdictDeny {
		return p.preflight
	}
	return p.request
}

// outcome weighs decisions and browsers.
func (p *play) outcome() Outcome {
	s := p.decisive()
	switch {
	case s == nil:
		return OutcomeBlocked
	case leavesToService(&s.decision), p.preflight != nil && leavesToService(&p.preflight.decision):
		return OutcomeServiceDecides
	case s.decision.Verdict == policy.VerdictDeny:
		return OutcomeBlocked
	}
	partial := false
	for i := range p.outcomes {
		o := &p.outcomes[i]
		if o.Access == browser.AccessBlocked {
			return OutcomeBlocked
		}
		partial = partial || len(o.unreadable) > 0
	}
	if partial {
		return OutcomePartial
	}
	return OutcomeAllowed
}

// leavesToService reports whether a cross-origin request goes on untouched.
func leavesToService(d *policy.Decision) bool {
	if d.Kind == policy.KindNotCORS || d.Action != policy.ActionForward {
		return false
	}
	return d.Policy == nil || d.Policy.Enforcement != policy.EnforcementEnforce
}

// blocked is the first engine's refusal, and whether there is one.
func (p *play) blocked() (browser.Block, bool) {
	for i := range p.outcomes {
		if p.outcomes[i].Access == browser.AccessBlocked {
			return p.outcomes[i].Block, true
		}
	}
	return browser.Block{}, false
}

// remembers is for how many seconds an engine asks no more: found by asking its
// model again, later and later.
func remembers(set *policy.Set, q *Question, engine browser.Engine) int {
	r := q.request()
	cached := func(after int) bool {
		cache := browser.NewCache(engine)
		fetch(set, q, r, browser.Options{Engine: engine, Cache: cache})
		o := fetch(set, q, r, browser.Options{Engine: engine, Cache: cache, Now: time.Duration(after)*time.Second - time.Millisecond})
		return o.Cached
	}
	const day = 24 * 60 * 60
	low, high := 0, day+1 // remembered at low, and not at high
	for high-low > 1 {
		middle := (low + high) / 2
		if cached(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// refusedHeaders are those of the headers asked for that are not allowed, each
// found by asking for it alone.
func (p *play) refusedHeaders(set *policy.Set) []string {
	var refused []string
	for name := range strings.SplitSeq(p.preflight.wire.RequestHeaders, ",") {
		one := p.preflight.wire
		one.RequestHeaders = name
		if d := set.Decide(&one); d.Reason == policy.ReasonHeaderNotAllowed {
			refused = append(refused, p.question.spelled(name))
		}
	}
	return refused
}

// spelled is a header as the script wrote it.
func (q *Question) spelled(name string) string {
	for _, h := range q.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Name
		}
	}
	return name
}
