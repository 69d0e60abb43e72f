package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Bounds of a policy's figures.
const (
	defaultPreflightStatus = 204
	minPreflightStatus     = 200
	maxPreflightStatus     = 299
	// longestMaxAge is what Firefox, the most patient browser, remembers.
	longestMaxAge = 24 * time.Hour
)

// addPolicy compiles one policy into the set.
func (c *compiler) addPolicy(p *part, m *corsgatev1.CorsPolicy, numbers *roster) {
	doc := p.doc
	found, exceptions := len(c.problems), len(c.set.exceptions)
	spec := m.GetSpec()
	if spec == nil { // as no reader leaves it, and a file that was tampered with may
		spec = &corsgatev1.CorsPolicySpec{}
	}
	b := policyBuilder{
		compiler: c,
		part:     p,
		doc:      doc,
		spec:     spec,
		place:    doc.Root.Field("spec"),
		policy: &Policy{
			Name:       p.name,
			Namespace:  p.key.Namespace,
			Position:   doc.at(doc.Root),
			index:      numbers.number(),
			doc:        doc,
			spec:       spec,
			disallowed: disposition(spec.GetOnDisallowedOrigin()),
			navigation: disposition(spec.GetNavigations()),
		},
	}
	c.set.policies = append(c.set.policies, b.policy)
	b.enforcement()
	b.targets()
	b.origins()
	b.exceptions()
	b.methods()
	answers := b.recipe(b.headers())
	b.lint()
	if b.guard(); b.policy.Barred() {
		answers = answers.barred()
	}
	b.policy.answers = answers.prepare(&b.press)
	p.policy = b.policy
	p.problems, p.exceptions = slices.Clone(c.problems[found:]), slices.Clone(c.set.exceptions[exceptions:])
}

// keepPolicy takes a policy over, with all that its compilation brought about.
func (c *compiler) keepPolicy(p *part) {
	c.set.policies = append(c.set.policies, p.policy)
	c.problems = append(c.problems, p.problems...)
	c.set.exceptions = append(c.set.exceptions, p.exceptions...)
	for _, named := range p.sets {
		c.used[named.set] = struct{}{}
	}
	for _, i := range p.reach {
		g := c.set.guardrails[i]
		g.reach = append(g.reach, p.policy)
	}
}

// hasTwin reports a policy whose name another has already. Policies come by name, so
// that it is the one before.
func (c *compiler) hasTwin(p *part) bool {
	last := len(c.set.policies) - 1
	if last < 0 || c.set.policies[last].Name != p.name {
		return false
	}
	c.reportTwin(p.doc, c.set.policies[last].doc, "policy", p.name)
	return true
}

func disposition(d corsgatev1.Disposition) Disposition {
	if d == corsgatev1.Disposition_DISPOSITION_PASS {
		return DispositionPass
	}
	return DispositionDeny
}

// A policyBuilder compiles one policy, field by field.
type policyBuilder struct {
	*compiler

	part   *part
	doc    *Document
	spec   *corsgatev1.CorsPolicySpec
	place  *Place
	policy *Policy
	// ends holds when each of the temporary origins is over.
	ends []time.Time
	// needed is which exceptions something in the policy would need.
	needed [exceptionCount]bool
}

// fail reports an error in a field.
func (b *policyBuilder) fail(name string, f *fault) {
	b.report(b.doc, b.place.Field(name), SeverityError, "spec."+name, f)
}

// warn reports what is odd in a field.
func (b *policyBuilder) warn(name string, f *fault) {
	b.report(b.doc, b.place.Field(name), SeverityWarning, "spec."+name, f)
}

// warnItem reports what is odd in a list's element.
func (b *policyBuilder) warnItem(name string, i int, f *fault) {
	b.report(b.doc, b.place.Field(name).Item(i), SeverityWarning, fmt.Sprintf("spec.%s[%d]", name, i), f)
}

// failItem reports an error in a list's element.
func (b *policyBuilder) failItem(name string, i int, f *fault) {
	b.report(b.doc, b.place.Field(name).Item(i), SeverityError, fmt.Sprintf("spec.%s[%d]", name, i), f)
}

func (b *policyBuilder) enforcement() {
	switch b.spec.GetEnforcement() {
	case corsgatev1.Enforcement_ENFORCEMENT_REPORT_ONLY:
		b.policy.Enforcement = EnforcementReportOnly
	case corsgatev1.Enforcement_ENFORCEMENT_DISABLED:
		b.policy.Enforcement = EnforcementDisabled
	default:
		b.policy.Enforcement = EnforcementEnforce
	}
}

func (b *policyBuilder) methods() {
	list := b.spec.GetMethods()
	if len(list) == 0 {
		list = defaultMethods[:]
	}
	rules := &b.policy.methods
	for i, method := range list {
		if method == "*" {
			rules.any = true
			continue
		}
		if f := checkMethod(method); f != nil {
			b.failItem("methods", i, f)
			continue
		}
		rules.list = append(rules.list, method)
	}
	slices.Sort(rules.list)
	rules.list = slices.Compact(rules.list)
	rules.short = b.wholeLists() && isShort(rules.list)
}

func checkMethod(method string) *fault {
	upper := strings.ToUpper(method)
	switch {
	case !isToken(method):
		return &fault{"method_invalid", quote(method) + " is not a method", "write a token such as \"GET\""}
	case isForbiddenMethod(method):
		return &fault{"method_forbidden", "browsers never send " + quote(method) + " for a script", "remove it"}
	case upper != method && slices.Contains(normalMethods[:], upper):
		return &fault{"method_case", "methods are case-sensitive, and browsers send " + quote(upper), "write " + quote(upper)}
	case upper != method && upper == "PATCH":
		return &fault{"method_case", "methods are case-sensitive, and browsers leave the case of " + quote(method) + " as the script wrote it", "write \"PATCH\", and use it in capitals in scripts"}
	}
	return nil
}

// headers compiles the request headers and returns the headers to expose.
func (b *policyBuilder) headers() (expose string) {
	request, exposed := b.checkNames("requestHeaders", b.spec.GetRequestHeaders(), requestHeaderFault),
		b.checkNames("exposeHeaders", b.spec.GetExposeHeaders(), responseHeaderFault)
	for i, name := range b.spec.GetPresets() {
		p, ok := findPreset(name)
		if !ok {
			b.failItem("presets", i, &fault{"preset_unknown", fmt.Sprintf("there is no preset %q", name), nearest(name, presetNames())})
		}
		request, exposed = append(request, p.requestHeaders...), append(exposed, p.exposeHeaders...)
	}
	rules := &b.policy.headers
	rules.any, rules.list = splitWildcard(request)
	rules.short = b.wholeLists() && isShort(rules.list)
	anyExposed, names := splitWildcard(exposed)
	if !anyExposed {
		return strings.Join(names, listSeparator)
	}
	if b.spec.GetCredentials() {
		b.failItem("exposeHeaders", slices.Index(b.spec.GetExposeHeaders(), "*"), &fault{
			"expose_any_with_credentials", "browsers take \"*\" for the name of a header where credentials are allowed", "list the headers",
		})
	}
	return "*"
}

// checkNames reports what is wrong with header names and returns the rest in
// lower case.
func (b *policyBuilder) checkNames(field string, names []string, check func(lower string) *fault) []string {
	good := make([]string, 0, len(names))
	for i, name := range names {
		lowered := strings.ToLower(name)
		var f *fault
		switch {
		case name == "*":
		case !isToken(name):
			f = &fault{"header_invalid", quote(name) + " is not a header name", "write a token such as \"X-Request-Id\""}
		default:
			f = check(lowered)
		}
		if f != nil {
			b.failItem(field, i, f)
			continue
		}
		good = append(good, lowered)
	}
	return good
}

func requestHeaderFault(name string) *fault {
	switch {
	case isForbiddenRequestHeader(name):
		return &fault{"header_forbidden", "browsers keep scripts from setting " + quote(name), "remove it"}
	case isMethodOverride(name):
		return &fault{"header_method_override", "services take " + quote(name) + " for the request's method, so whoever may send it may do what methods refuses", "remove it, and list the methods themselves"}
	case isCORSResponseHeader(name):
		return &fault{"header_misplaced", quote(name) + " is a header of responses", "remove it; corsgate sends it where it belongs"}
	}
	return nil
}

func responseHeaderFault(name string) *fault {
	switch {
	case isForbiddenResponseHeader(name):
		return &fault{"header_forbidden", "browsers never show " + quote(name) + " to scripts", "remove it"}
	case name == "origin" || name == "access-control-request-method" || name == "access-control-request-headers":
		return &fault{"header_misplaced", quote(name) + " is a header of requests", "remove it"}
	case isCORSResponseHeader(name):
		return &fault{"header_misplaced", quote(name) + " is for the browser and not for scripts", "remove it"}
	}
	return nil
}

// splitWildcard takes `*` out of a list, and sorts the rest, each once.
func splitWildcard(list []string) (wildcard bool, names []string) {
	slices.Sort(list)
	list = slices.Compact(list)
	if i := slices.Index(list, "*"); i >= 0 {
		return true, slices.Delete(list, i, i+1)
	}
	return false, list
}

// recipe gathers what the answers are made of.
func (b *policyBuilder) recipe(expose string) *recipe {
	constant := b.policy.origins.constant
	return &recipe{
		name:        b.policy.Name,
		constant:    constant,
		varies:      !constant,
		credentials: b.spec.GetCredentials(),
		expose:      expose,
		maxAge:      b.maxAge(),
		status:      b.preflightStatus(),
		timing:      b.spec.TimingAllowOrigin,
		private:     b.spec.GetPrivateNetwork(),
		resource:    resourcePolicy(b.spec.GetCrossOriginResourcePolicy()),
		methods:     &b.policy.methods,
		headers:     &b.policy.headers,
	}
}

func resourcePolicy(p corsgatev1.ResourcePolicy) string {
	switch p {
	case corsgatev1.ResourcePolicy_RESOURCE_POLICY_SAME_ORIGIN:
		return "same-origin"
	case corsgatev1.ResourcePolicy_RESOURCE_POLICY_SAME_SITE:
		return "same-site"
	case corsgatev1.ResourcePolicy_RESOURCE_POLICY_CROSS_ORIGIN:
		return "cross-origin"
	default:
		return ""
	}
}

// wholeLists reports whether preflight answers may name all that is allowed.
func (b *policyBuilder) wholeLists() bool {
	return b.spec.GetPreflightLists() != corsgatev1.PreflightLists_PREFLIGHT_LISTS_ASKED
}

func (b *policyBuilder) maxAge() string {
	text := b.spec.GetMaxAge()
	if text == "" {
		return ""
	}
	age, f := parseMaxAge(text)
	if f != nil {
		b.fail("maxAge", f)
	}
	return strconv.FormatInt(int64(age/time.Second), 10)
}

// parseMaxAge reads for how long a preflight may be remembered.
func parseMaxAge(text string) (time.Duration, *fault) {
	age, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, &fault{"max_age_invalid", quote(text) + " is not a duration", "write hours, minutes or seconds, such as \"2h\" or \"600s\""}
	case age < 0:
		return 0, &fault{"max_age_invalid", quote(text) + " is negative", "write \"0s\" to keep browsers from remembering preflights"}
	case age%time.Second != 0:
		return 0, &fault{"max_age_invalid", quote(text) + " is not in whole seconds", "write whole seconds"}
	case age > longestMaxAge:
		return 0, &fault{"max_age_too_long", quote(text) + " is more than a day, and no browser remembers a preflight for longer", "write \"24h\" or less"}
	}
	return age, nil
}

func (b *policyBuilder) preflightStatus() int {
	if b.spec.PreflightStatus == nil {
		return defaultPreflightStatus
	}
	status := int(b.spec.GetPreflightStatus())
	if status < minPreflightStatus || status > maxPreflightStatus {
		b.fail("preflightStatus", &fault{"preflight_status", fmt.Sprintf("browsers take a preflight answer with status %d for a failure", status), "write a status from 200 to 299, or leave it out for 204"})
	}
	return status
}
