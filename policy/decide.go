package policy

import "strings"

// Decide weighs one request. It takes no lock, keeps no reference to the request
// beyond the strings in it, and does not allocate, but for an Origin that looks
// like an IP address and is none.
func (s *Set) Decide(r *Request) Decision {
	policy, known := s.governs(r)
	if policy != nil && policy.direct && saysCrossOrigin(r) {
		if at, ok := policy.origins.own.exact.lists(r.Origin); ok {
			d := Decision{Kind: kindOf(r), Policy: policy, Reason: ReasonOriginAllowed, rule: policy.origins.own.ref(at)}
			d.grant(r)
			return d
		}
	}
	o, form := parseOrigin(r.Origin)
	if why := crossOrigin(r, &o, form); why != ReasonNone {
		return s.notCORS(r, policy, why)
	}
	kind := kindOf(r)
	if policy == nil {
		return s.ungoverned(kind, known)
	}
	if policy.Enforcement == EnforcementDisabled {
		return Decision{Verdict: VerdictPass, Reason: ReasonDisabled, Action: ActionForward, Kind: kind, Policy: policy, rule: policy.ref(partEnforcement)}
	}
	d := Decision{Kind: kind, Policy: policy}
	allowed, why, by := policy.origins.match(&o, form)
	d.Reason, d.rule = why, by
	if allowed {
		d.grant(r)
	} else {
		s.strangers(&d, r)
	}
	if policy.Enforcement == EnforcementReportOnly {
		d.Action, d.answer = ActionForward, nil
	}
	return d
}

// governs returns the policy of a request, or nil. It reports false where the
// route names a policy that is not loaded: such a route gets no other.
func (s *Set) governs(r *Request) (policy *Policy, known bool) {
	if r.PolicyName != "" {
		policy = s.byName[r.PolicyName]
		return policy, policy != nil
	}
	return s.targets.find(r.Scheme, r.Host, r.Path), true
}

// crossOrigin returns why a request is not cross-origin, or ReasonNone where it
// is. What no browser sends counts as cross-origin, whatever else it claims.
func crossOrigin(r *Request, o *origin, form originForm) Reason {
	switch {
	case form == formAbsent:
		return ReasonNoOrigin
	case form == formMalformed:
		return ReasonNone
	case r.FetchSite == "same-origin":
		return ReasonSameOrigin
	case saysCrossOrigin(r):
		// The browser knows better than the authority can tell: where TLS ended
		// before the proxy, an http page looks like the API's own.
		return ReasonNone
	case form == formTuple && o.sameAs(r.Scheme, r.Host):
		return ReasonSameOrigin
	}
	return ReasonNone
}

// saysCrossOrigin reports whether the browser itself says that the page is of
// another origin. Scripts cannot set the header.
func saysCrossOrigin(r *Request) bool {
	return r.FetchSite == "cross-site" || r.FetchSite == "same-site"
}

// grant decides a request of an origin that may call.
func (d *Decision) grant(r *Request) {
	switch d.Kind {
	case KindWebSocket:
		// Browsers look at no header of a handshake's response.
		d.Verdict, d.Action = VerdictAllow, ActionForward
	case KindPreflight:
		d.preflight(r)
	default:
		d.actual(r)
	}
}

// kindOf sorts cross-origin requests. A CORS preflight is an OPTIONS with both
// headers (Fetch standard, section "CORS-preflight request").
func kindOf(r *Request) Kind {
	switch {
	case r.Method == methodOptions && r.RequestMethod != "":
		return KindPreflight
	case r.Method == methodGet && r.Upgrade != "" && upgradesToWebSocket(r.Upgrade):
		return KindWebSocket
	}
	return KindActual
}

// upgradesToWebSocket reports whether an Upgrade header names the protocol, in
// any case (RFC 9110, section 7.8; RFC 6455, section 4.1).
func upgradesToWebSocket(upgrade string) bool {
	for rest, more := upgrade, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ",")
		if equalFold(strings.Trim(name, " \t"), "websocket") {
			return true
		}
	}
	return false
}

// notCORS lets a request through that is not cross-origin. Caches must still
// learn whether the answer would differ for others.
func (s *Set) notCORS(r *Request, policy *Policy, why Reason) Decision {
	d := Decision{Verdict: VerdictPass, Reason: why, Action: ActionForward, Kind: KindNotCORS, Policy: policy}
	switch {
	case policy == nil:
		d.answer = s.ungovernedNotCORS[choose(r.RouteVaries)]
	case policy.Enforcement == EnforcementEnforce:
		d.answer = policy.answers.notCORS[choose(r.RouteVaries)]
	}
	return d
}

// ungoverned decides a cross-origin request without a policy.
func (s *Set) ungoverned(kind Kind, known bool) Decision {
	d := Decision{Kind: kind, Reason: ReasonNoPolicy}
	switch {
	case !known:
		d.Reason = ReasonUnknownPolicy
	case s.noPolicy == DispositionPass:
		d.Verdict, d.Action = VerdictPass, ActionForward
		return d
	}
	s.refuse(&d)
	return d
}

// strangers decides for an origin that may not call.
func (s *Set) strangers(d *Decision, r *Request) {
	p := d.Policy
	if p.Barred() {
		d.Reason, d.rule = ReasonGuardrail, p.breach
		s.refuse(d)
		return
	}
	pass := p.disallowed == DispositionPass
	part := partOnDisallowedOrigin
	if d.Kind == KindActual && r.FetchMode == "navigate" && d.Reason != ReasonOriginMalformed {
		d.Reason, d.rule = ReasonCrossSiteNavigation, p.ref(partNavigations)
		pass, part = p.navigation == DispositionPass, partNavigations
	}
	if d.Kind != KindActual || !pass {
		s.refuse(d)
		return
	}
	d.Verdict, d.Action, d.rule = VerdictPass, ActionForward, p.ref(part)
	d.answer = p.answers.passed[choose(r.RouteVaries)]
}

// refuse answers 403 without a CORS header.
func (s *Set) refuse(d *Decision) {
	d.Verdict, d.Action = VerdictDeny, ActionRefuse
	d.answer = s.refusals.other[d.Reason]
	if d.Kind == KindPreflight {
		d.answer = s.refusals.preflight[d.Reason]
	}
}

// preflight answers a preflight of an origin that may call. Where the method or
// a header is not allowed, the answer withholds it, so that the browser blocks
// the request and its console names the culprit.
func (d *Decision) preflight(r *Request) {
	p := d.Policy
	a := p.headers.weigh(r.RequestHeaders)
	d.Action = ActionAnswer
	d.Verdict = VerdictAllow
	switch {
	case !p.methods.allow(r.RequestMethod):
		d.deny(ReasonMethodNotAllowed, partMethods)
	case a.tooMany:
		d.deny(ReasonTooManyHeaders, partRequestHeaders)
	case a.refused:
		d.deny(ReasonHeaderNotAllowed, partRequestHeaders)
	}
	credentials := p.spec.GetCredentials()
	methods := p.methods.form(r.RequestMethod, credentials)
	headers := p.headers.form(&a)
	outcome := preflightFails
	if d.Verdict == VerdictAllow {
		outcome = preflightSucceeds
		if r.PrivateNetwork && p.spec.GetPrivateNetwork() {
			outcome = preflightPrivate
		}
	}
	d.answer = p.answers.preflight[outcome][methods][headers]
	d.origin, d.requestMethod, d.requestHeaders, d.safe = r.Origin, r.RequestMethod, r.RequestHeaders, a.safe
}

// actual decides an actual request of an origin that may call.
func (d *Decision) actual(r *Request) {
	p := d.Policy
	d.origin = r.Origin
	if !p.methods.allow(r.Method) {
		d.deny(ReasonMethodNotAllowed, partMethods)
		d.Action, d.answer = ActionRefuse, p.answers.refusedMethod
		return
	}
	d.Verdict, d.Action = VerdictAllow, ActionForward
	d.answer = p.answers.actual[choose(r.RouteVaries)]
}

func (d *Decision) deny(why Reason, part rulePart) {
	d.Verdict, d.Reason, d.rule = VerdictDeny, why, d.Policy.ref(part)
}

// ref points at a field of the policy.
func (p *Policy) ref(part rulePart) ruleRef { return ruleRef{doc: p.doc, part: part, index: whole} }

// choose is the index of a yes or no.
func choose(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
