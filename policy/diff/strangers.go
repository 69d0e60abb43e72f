package diff

import "github.com/corsgate/corsgate/policy"

// enforcement compares whether requests are decided at all.
func (c *comparison) enforcement() {
	from, to := c.before.mode, c.after.mode
	if from == to {
		return
	}
	if to.reaches() && !from.reaches() {
		c.addf(Gain, AspectEnforcement, "enforcement", "every request reaches the service: %s", c.after.standing())
		code := RiskEnforcement
		if c.after.policyDoc == nil {
			code = RiskGuard
		}
		c.riskf(code, c.at("enforcement"), "every request reaches the service: %s", c.after.standing())
	}
	if from.reaches() && !to.reaches() {
		c.addf(Loss, AspectEnforcement, "enforcement", "requests that are not allowed no longer reach the service, and preflights are answered before it: %s", c.after.standing())
	}
	switch {
	case from == modeEnforce && to == modeReport:
		c.addf(Loss, AspectEnforcement, "enforcement", "no CORS header is sent any more: %s", c.after.standing())
	case from == modeReport && to == modeEnforce:
		c.addf(Gain, AspectEnforcement, "enforcement", "what is allowed gets its CORS headers: %s", c.after.standing())
	case from == modeReport && to == modeOff:
		c.addf(Gain, AspectEnforcement, "enforcement", "requests that are not allowed are not recorded any more: %s", c.after.standing())
	case from == modeOff && to == modeReport:
		c.addf(Loss, AspectEnforcement, "enforcement", "requests that are not allowed are recorded as such, and still reach the service: %s", c.after.standing())
	}
}

// barred compares whether guardrails keep a policy from letting anybody in.
func (c *comparison) barred() {
	was, is := c.before.barred(), c.after.barred()
	switch {
	case is != nil && was == nil:
		item := c.addf(Loss, AspectGuardrail, "", "the policy lets nobody in: %s", is.Reason)
		item.Position = &is.Position
	case was != nil && is == nil && c.after.policyDoc != nil:
		c.addf(Gain, AspectGuardrail, "origins", "no guardrail keeps the policy from letting anybody in any more")
	}
}

// barred returns the first thing that the policy does and a guardrail forbids, or nil.
func (g *governor) barred() *policy.Problem {
	if g.policyDoc == nil || g.mode == modeOff || !g.policy.Barred() {
		return nil
	}
	return &g.policy.Breaches()[0]
}

// standing says why a governor decides as it does.
func (g *governor) standing() string {
	switch {
	case g.policyDoc == nil && g.mode == modeOff:
		return "no policy governs it, and such requests pass"
	case g.policyDoc == nil:
		return "no policy governs it"
	case g.mode == modeRefuse:
		return "a guardrail keeps the policy from letting anybody in"
	case g.mode == modeOff:
		return "the policy is DISABLED"
	case g.mode == modeReport:
		return "the policy is REPORT_ONLY"
	}
	return "the policy is enforced"
}

// strangers compares what becomes of requests from origins that may not call.
func (c *comparison) strangers() {
	actualBefore, navigationsBefore := c.before.passes()
	actualAfter, navigationsAfter := c.after.passes()
	// What is off has said so already.
	if c.before.mode == modeOff || c.after.mode == modeOff {
		if c.after.mode.decides() {
			c.passing(AspectDisallowed, true, actualAfter)
			c.passing(AspectNavigations, true, navigationsAfter)
		}
		return
	}
	c.passing(AspectDisallowed, actualBefore, actualAfter)
	c.passing(AspectNavigations, navigationsBefore, navigationsAfter)
}

// passing compares one kind of requests from origins that may not call.
func (c *comparison) passing(a Aspect, before, after bool) {
	what := "requests"
	code := RiskDisallowed
	if a == AspectNavigations {
		what, code = "form posts that navigate,", RiskNavigations
	}
	switch {
	case after && !before && !c.after.constant:
		c.addf(Gain, a, string(a), "%s from origins that may not call reach the service (%s: PASS)", what, a)
		c.riskf(code, c.at(string(a)), "%s: PASS", a)
	case before && !after && !c.before.constant:
		c.addf(Loss, a, string(a), "%s from origins that may not call no longer reach the service", what)
	}
}

// swapped tells what origins that may call do better as strangers, and the
// reverse: to a stranger whose requests pass, `methods` does not apply.
func (c *comparison) swapped(gainedSome, lostSome bool) {
	actualBefore, navigationsBefore := c.before.passes()
	actualAfter, navigationsAfter := c.after.passes()
	if gainedSome && (actualBefore || navigationsBefore) && c.after.mode.decides() && !c.after.grants.Methods.Any {
		c.addf(Loss, AspectDisallowed, "methods", "requests from the origins that may call now reach the service with the methods of the policy only; before they passed with any")
	}
	if lostSome && (actualAfter || navigationsAfter) && c.before.mode.decides() && c.after.mode.decides() && !c.before.grants.Methods.Any {
		c.addf(Gain, AspectDisallowed, string(AspectDisallowed), "requests from the origins that may not call any more reach the service with any method; before they did with the methods of the policy only")
	}
}
