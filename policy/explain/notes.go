package explain

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// notes is what else somebody should know, the most likely cause of grief first.
func (w *world) notes(p *play, e *Explanation) []Note {
	var notes []Note
	for _, find := range []func(*play, *Explanation) *Note{
		noteMixedContent, noteGuardrail, noteNull, w.noteExpired, noteNavigation, noteWebSocket, noteNoCORS, noteForbidden,
		noteReadableRefusal, noteCredentials, noteAuthorization, noteUnreadable, noteCookies, noteForgetful, noteLocalNetwork,
	} {
		if note := find(p, e); note != nil {
			notes = append(notes, *note)
		}
	}
	return notes
}

func noteMixedContent(p *play, e *Explanation) *Note {
	target := p.question.target
	if !strings.HasPrefix(e.Question.Origin, "https://") || (target.Scheme != "http" && target.Scheme != "ws") || isLocal(target.Host) {
		return nil
	}
	return &Note{"mixed_content", "A page that came over https may not call " + target.Scheme + ": browsers block that as mixed content before CORS is looked at. Call the API over https."}
}

// noteGuardrail says that the policy is barred, where that is not the answer to the
// question itself.
func noteGuardrail(p *play, e *Explanation) *Note {
	s := p.decisive()
	if s == nil || s.decision.Policy == nil || !s.decision.Policy.Barred() || e.NoChange != nil && e.NoChange.Code == "guardrail" {
		return nil
	}
	return breachNote(s.decision.Policy)
}

func noteNull(p *play, _ *Explanation) *Note {
	if s := p.request; p.question.Origin != browser.OpaqueOrigin && (s == nil || s.wire.Origin != browser.OpaqueOrigin) {
		return nil
	}
	return &Note{"origin_null", "A browser sends the origin null for one of three reasons: " +
		"the page is a sandboxed document, a file or a data: URL (give the iframe allow-same-origin, or serve the page from a host); " +
		"the page's Referrer-Policy is no-referrer and it posts a form (use strict-origin-when-cross-origin); " +
		"or one API redirected the call to another (call the final URL)."}
}

// noteExpired says that an origin could call until a day that is over.
func (w *world) noteExpired(p *play, _ *Explanation) *Note {
	s := p.decisive()
	if s == nil || s.decision.Reason != policy.ReasonOriginNotAllowed || w.options.Now.IsZero() {
		return nil
	}
	if len(s.decision.Policy.Spec().GetTemporaryOrigins()) == 0 {
		return nil
	}
	options := w.options
	options.Now = time.Time{}
	set, _ := policy.Compile(w.docs, options)
	if set == nil {
		return nil
	}
	d := set.Decide(&s.wire)
	rule, ok := d.Rule()
	if !ok || d.Verdict != policy.VerdictAllow || !strings.HasPrefix(rule.Field, "spec.temporaryOrigins[") {
		return nil
	}
	return &Note{"origin_expired", fmt.Sprintf("The origin could call until a day that is over: %q in %s at %s.", rule.Text, rule.Field, rule.Position)}
}

func noteNavigation(_ *play, e *Explanation) *Note {
	if e.Reason != policy.ReasonCrossSiteNavigation.String() {
		return nil
	}
	return &Note{"cross_site_navigation", "This is a form of another site that posts and takes the person along, as SAML, OIDC (form_post) and payment callbacks do. " +
		"It is no CORS request, but it carries an Origin, and any site can send one. Where callbacks are expected, a policy for that path says navigations: PASS."}
}

func noteWebSocket(p *play, e *Explanation) *Note {
	if p.question.Mode != browser.ModeWebSocket.String() || !e.Relation.CrossOrigin {
		return nil
	}
	return &Note{"websocket", "Browsers open WebSockets to any host, with cookies, and look at no header of the answer. So corsgate decides by the origin alone, and a refusal is a failed handshake."}
}

func noteNoCORS(p *play, e *Explanation) *Note {
	if p.question.Mode != browser.ModeNoCORS.String() || !e.Relation.CrossOrigin {
		return nil
	}
	return &Note{"no_cors", "In mode no-cors a script can read nothing of the answer, whatever the policy says. To read it, use mode cors."}
}

// noteForbidden says which headers a browser leaves out without a word.
func noteForbidden(p *play, _ *Explanation) *Note {
	var dropped []string
	for _, h := range p.question.Headers {
		noCORS := p.question.Mode == browser.ModeNoCORS.String() && !browser.IsSafelistedRequestHeader(h.Name, h.Value)
		if noCORS || browser.IsForbiddenHeader(h.Name, h.Value) {
			dropped = append(dropped, h.Name)
		}
	}
	if len(dropped) == 0 {
		return nil
	}
	return &Note{"headers_dropped", "Browsers do not let this script set " + joinAnd(dropped) + ", and leave it out without a word."}
}

func noteReadableRefusal(p *play, e *Explanation) *Note {
	if e.Reason != policy.ReasonMethodNotAllowed.String() || len(p.outcomes) == 0 || p.outcomes[0].Access != browser.AccessReadable {
		return nil
	}
	method := methodOf(p.decisive())
	return &Note{"readable_refusal", fmt.Sprintf("Browsers do not look for GET, HEAD and POST in Access-Control-Allow-Methods, so they send the %s all the same. corsgate refuses it, and the script can read the 403 and its reason; the console shows no CORS error.", method)}
}

func noteCredentials(p *play, e *Explanation) *Note {
	block, blocked := p.blocked()
	if !blocked || e.Verdict != policy.VerdictAllow.String() {
		return nil
	}
	switch block.Failure {
	case browser.FailureWildcardWithCredentials, browser.FailureAllowCredentials:
		return &Note{"credentials", "The script asks for cookies (credentials: \"include\", or withCredentials), and the policy has credentials off. If the call needs no cookies, leave that out of the script: then it works as it is."}
	}
	return nil
}

func noteAuthorization(p *play, e *Explanation) *Note {
	if e.Reason != policy.ReasonHeaderNotAllowed.String() {
		return nil
	}
	d := &p.preflight.decision
	if !d.Policy.Grants().RequestHeaders.Any || p.question.spelled("authorization") == "authorization" {
		return nil
	}
	return &Note{"authorization", "\"*\" in requestHeaders never covers Authorization (Fetch standard, \"CORS non-wildcard request-header name\"), so it must be listed by name."}
}

func noteUnreadable(_ *play, e *Explanation) *Note {
	for i := range e.Browsers {
		if names := e.Browsers[i].Unreadable; len(names) > 0 {
			return &Note{"headers_hidden", "Of a response from another origin scripts see only the headers that exposeHeaders names, and a few that every script may see. Any other looks absent, and no error says so: " + strings.Join(names, ", ") + "."}
		}
	}
	return nil
}

func noteCookies(p *play, e *Explanation) *Note {
	switch {
	case !p.question.Credentials || !e.Relation.CrossOrigin:
		return nil
	case e.Relation.SameSite:
		return &Note{"cookies_same_site", "The call is same-site, so the API's cookies come along whatever their SameSite says."}
	}
	return &Note{"cookies_cross_site", "The call is cross-site: of the API's cookies only those with SameSite=None; Secure come along, and browsers that block third-party cookies send none. CORS cannot change that."}
}

// noteForgetful says why preflights come again and again.
func noteForgetful(p *play, e *Explanation) *Note {
	if e.Outcome != OutcomeAllowed || p.preflight == nil || p.preflight.decision.Policy.Spec().GetMaxAge() != "" {
		return nil
	}
	return &Note{"no_max_age", "The policy has no maxAge, so browsers ask again after five seconds. With maxAge: 2h Chrome asks every two hours, Firefox too, and Safari every ten minutes."}
}

func noteLocalNetwork(p *play, e *Explanation) *Note {
	page, ok := parseAddress(e.Question.Origin)
	if !ok || !isLocal(p.question.target.Host) || isLocal(page.host) || !e.Relation.CrossOrigin {
		return nil
	}
	return &Note{"local_network", "The API stands in a local network or on this machine. Browsers ask the person for permission before a public page may call there (Chrome since 142), and never on an insecure page. That is not CORS, and no header grants it."}
}

// isLocal reports whether a host, with or without a port, is this machine or in a
// private network, as far as its name tells.
func isLocal(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local")
}

// enforced says what a policy that changes nothing would do if it were enforced.
func (w *world) enforced(p *play, name string) string {
	d, note := w.draft(p)
	if note != nil || d.doc.Key().FullName() != name {
		return ""
	}
	d.spec.Enforcement = corsgatev1.Enforcement_ENFORCEMENT_ENFORCE
	set, _ := policy.Compile(d.documents(), w.options)
	if set == nil {
		return ""
	}
	then := perform(set, p.question)
	s := then.decisive()
	if s == nil {
		return ""
	}
	switch then.outcome() {
	case OutcomeAllowed, OutcomePartial:
		return "Once it is enforced, the request would be allowed."
	case OutcomeBlocked, OutcomeServiceDecides:
	}
	if s.decision.Verdict == policy.VerdictDeny {
		return fmt.Sprintf("Once it is enforced, the request would be refused: %s (%s).", reasonText(s.decision.Reason.String()), s.decision.Reason)
	}
	return "Once it is enforced, corsgate would let the request through, and browsers would keep the answer from the script."
}

// reasonText says a reason in words.
func reasonText(reason string) string {
	switch reason {
	case "no_origin", "same_origin":
		return "it is not cross-origin"
	case "origin_allowed":
		return "the origin is listed"
	case "origin_malformed":
		return "the origin is one that no browser sends"
	case "origin_null":
		return "the origin null is not listed"
	case "origin_not_allowed":
		return "the origin is not listed"
	case "origin_excluded":
		return "the origin is excluded"
	case "cross_site_navigation":
		return "it is a form post from a site that is not listed"
	case "method_not_allowed":
		return "the method is not allowed"
	case "header_not_allowed":
		return "a request header is not allowed"
	case "too_many_headers":
		return "it asks for too many request headers"
	case "no_policy":
		return "no policy governs it"
	case "unknown_policy":
		return "the policy that the route names is not loaded"
	case "guardrail":
		return "the policy does what a guardrail forbids, and is not in force"
	case "disabled":
		return "the policy is switched off"
	}
	return reason
}

// summary says it all in one sentence.
func summary(e *Explanation, p *play) string {
	q := &e.Question
	what := fmt.Sprintf("%s %s", q.Method, q.URL)
	switch q.Mode {
	case "websocket":
		what = "open a WebSocket to " + q.URL
	case "navigate":
		what = "post a form to " + q.URL
		if q.Method != http.MethodPost {
			what = fmt.Sprintf("navigate with %s to %s", q.Method, q.URL)
		}
	}
	switch {
	case p.request == nil:
		return fmt.Sprintf("%s cannot %s: browsers never send it.", q.Origin, what)
	case e.Outcome == OutcomeServiceDecides:
		return fmt.Sprintf("corsgate leaves it to the service whether %s may %s.", q.Origin, what)
	case e.Verdict == "deny":
		return fmt.Sprintf("%s may not %s: %s (%s).", q.Origin, what, reasonText(e.Reason), e.Reason)
	case e.Outcome == OutcomePartial:
		return fmt.Sprintf("%s may %s, but cannot read all the headers asked for.", q.Origin, what)
	case e.Outcome == OutcomeBlocked && e.Verdict == "pass":
		return fmt.Sprintf("%s reaches the service with %s, but its script cannot read the answer: %s (%s).", q.Origin, what, reasonText(e.Reason), e.Reason)
	case e.Outcome == OutcomeBlocked:
		block, _ := p.blocked()
		return fmt.Sprintf("corsgate lets %s %s, but browsers keep the answer from the script: %s (%s).", q.Origin, what, failureText(block.Failure), block.Failure)
	case !e.Relation.CrossOrigin:
		return fmt.Sprintf("%s may %s: it is not cross-origin.", q.Origin, what)
	}
	return fmt.Sprintf("%s may %s (%s).", q.Origin, what, e.Reason)
}
