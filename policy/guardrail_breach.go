package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// guard holds the policy against the guardrails that reach it, and bars it where it
// does what one of them forbids. It comes last: what else is wrong with the policy
// is said of what it says.
func (b *policyBuilder) guard() {
	if len(b.set.guardrails) == 0 {
		return
	}
	keys := b.policy.TargetKeys()
	for i, g := range b.set.guardrails {
		if !g.reaches(b.policy, keys) {
			continue
		}
		g.reach = append(g.reach, b.policy)
		b.part.reach = append(b.part.reach, i)
		if !g.faulty {
			h := holder{policyBuilder: b, guardrail: g}
			h.hold()
		}
	}
	if b.policy.Barred() {
		b.policy.breaches.Sort()
		b.policy.direct = false
		b.policy.origins = originRules{own: newOriginIndex(b.seed, b.doc, partOrigins, nil)}
	}
}

// A holder holds a policy against one guardrail.
type holder struct {
	*policyBuilder

	guardrail *Guardrail
}

func (h *holder) hold() {
	h.anyOrigin()
	h.origins()
	h.regexes()
	if spec := h.guardrail.spec; spec.GetCredentials() == corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_NEVER && h.spec.GetCredentials() {
		h.breach(partCredentials, whole, &fault{"guardrail_credentials", h.by("credentials") + " forbids credentials", "leave credentials out"})
	}
	h.exceptions()
	h.maxAge()
	h.methods()
	h.requestHeaders()
	h.exposeHeaders()
}

// by names the guardrail and where one of its fields stands.
func (h *holder) by(field string) string { return h.guardrail.at(h.guardrail.field(field)) }

// breach reports what a part of the policy does that the guardrail forbids.
func (h *holder) breach(part rulePart, i int32, f *fault) {
	ref := ruleRef{doc: h.doc, part: part, index: i}
	h.breachAt(ref, ref.place(), string(ref.appendField(nil)), f)
}

func (h *holder) breachAt(ref ruleRef, place *Place, path string, f *fault) {
	p := Problem{Code: f.code, Position: h.doc.at(place), Field: path, Reason: f.reason, Mend: f.mend, Guardrail: h.guardrail.Name}
	if h.breaches == BreachesBarred {
		p.Severity = SeverityWarning
	}
	if !h.policy.Barred() {
		h.policy.breach = ref
	}
	h.policy.breaches = append(h.policy.breaches, p)
	if h.breaches == BreachesBarred && h.policy.Enforcement == EnforcementEnforce {
		p.Reason += ". Until that is mended, the policy refuses every cross-origin request"
	}
	h.problems = append(h.problems, p)
}

func (h *holder) anyOrigin() {
	g := h.guardrail
	if g.spec.GetAnyOrigin() == nil || !h.policy.origins.any || g.mayLetAnyIn(h.policy) {
		return
	}
	who := "to no policy"
	if names := g.spec.GetAnyOrigin().GetPolicies(); len(names) > 0 {
		who = "only to " + some(names)
	}
	h.breach(partOrigins, h.policy.origins.own.anyAt, &fault{
		"guardrail_any_origin", "\"*\" lets any origin in, which " + h.by("anyOrigin") + " allows " + who, "list the origins, or have the guardrail name the policy",
	})
}

// maxBreaches is how many entries of one list are reported for one rule.
const maxBreaches = 20

// origins holds each origin that the policy lets in against the guardrail. What is in
// a set is looked at once for all policies.
func (h *holder) origins() {
	rules := &h.policy.origins
	for _, index := range []*originIndex{&rules.own, &rules.temporary} {
		scan := &originScan{guardrail: h.guardrail, index: index}
		for rule := range originRuleCount {
			reported := 0
			h.each(scan, rule, func(at int32, f *fault) bool {
				if index == &rules.temporary && h.isOver(h.ends[at]) {
					return true
				}
				if reported++; reported == maxBreaches {
					f.reason += " (it may not be the last of the list)"
				}
				h.breach(index.part, at, f)
				return reported < maxBreaches
			})
		}
	}
	var seen []*originSet
	for i, name := range h.spec.GetOriginSets() {
		set := h.originSets[h.policy.OriginSet(name)]
		if set == nil || slices.Contains(seen, set) {
			continue
		}
		seen = append(seen, set)
		for rule := range originRuleCount {
			h.each(h.scan(h.guardrail, &set.index), rule, func(at int32, f *fault) bool {
				place, _ := set.index.item(at)
				f.reason = fmt.Sprintf("the origin set %q holds an origin, at %s, that the policy may not let in: %s", set.doc.Key().FullName(), set.doc.at(place), f.reason)
				f.mend = "take it out of the set, or keep it out with excludeOrigins"
				h.breach(partOriginSets, int32(i), f) //nolint:gosec // a list within a protobuf message
				return false
			})
		}
	}
}

// each calls f with the entries of a list that break a rule, until it returns false.
func (h *holder) each(scan *originScan, rule originRule, f func(at int32, f *fault) bool) {
	if !h.guardrail.has(rule) || rule == ruleExactHTTPS && !h.spec.GetCredentials() {
		return
	}
	for n := 0; ; n++ {
		at, ok := scan.nth(rule, n)
		if !ok {
			return
		}
		p, _ := parsePattern(scan.index.list[at])
		if fault := h.originFault(rule, &p, quote(scan.index.list[at])); fault != nil && !f(at, fault) {
			return
		}
	}
}

// originFault says how an entry breaks a rule, or returns nil where the policy
// excludes all that would.
func (h *holder) originFault(rule originRule, p *pattern, text string) *fault {
	g, excluded := h.guardrail, &h.policy.origins.excluded
	if excluded.coversWhole(p) {
		return nil
	}
	exempt := p.form == patternAny && g.mayLetAnyIn(h.policy)
	switch {
	case rule == ruleForbidden:
		e := g.forbidden.meets(p, excluded)
		if e == nil {
			return nil
		}
		forbidden := OriginPattern{e.pattern}.String()
		by := g.at(g.field("forbiddenOrigins").Item(int(e.at)))
		if e.covers(p) {
			return &fault{"guardrail_forbidden_origin", by + " forbids letting " + text + " in", "remove it"}
		}
		return &fault{"guardrail_forbidden_origin", text + " lets in what " + by + " forbids, " + quote(forbidden), "narrow it, or write " + quote(forbidden) + " in excludeOrigins"}
	case rule == ruleExactHTTPS:
		return &fault{"guardrail_credentials", h.by("credentials") + " lets credentials go to exact https origins alone, and " + text + " is none", "list the origins one by one, or leave credentials out"}
	case exempt:
		return nil
	case rule == rulePlainHTTP && p.form == patternAny:
		return &fault{"guardrail_plain_http", h.by("noPlainHttp") + " forbids http origins, which \"*\" lets in", "list https origins, or have the guardrail name the policy in anyOrigin"}
	case rule == rulePlainHTTP:
		return &fault{"guardrail_plain_http", h.by("noPlainHttp") + " forbids http origins, and " + text + " is one", "use https"}
	}
	return &fault{"guardrail_origin_suffix", text + " lies outside of the domains that " + h.by("originSuffixes") + " keeps to (" + some(g.spec.GetOriginSuffixes()) + ")", "list origins of these domains"}
}

// some lists the first of many names.
func some(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// regexes holds regular expressions against the guardrail. What they match cannot be
// told, so where it counts they are refused.
func (h *holder) regexes() {
	for i, text := range h.spec.GetOriginRegexes() {
		if f := h.regexFault(text); f != nil {
			h.breach(partOriginRegexes, int32(i), f)
		}
	}
}

func (h *holder) regexFault(text string) *fault {
	const mend = "list the origins instead, with wildcards where it takes some"
	g := h.guardrail
	switch {
	case g.spec.GetNoOriginRegexes():
		return &fault{"guardrail_origin_regex", h.by("noOriginRegexes") + " forbids regular expressions", mend}
	case g.has(ruleSuffixes):
		return &fault{"guardrail_origin_suffix", "nobody can tell whether a regular expression matches nothing outside of the domains that " + h.by("originSuffixes") + " keeps to", mend}
	case g.has(ruleExactHTTPS) && h.spec.GetCredentials():
		return &fault{"guardrail_credentials", h.by("credentials") + " lets credentials go to exact https origins alone, and a regular expression is none", mend}
	case g.has(rulePlainHTTP) && !beginsSecurely(text):
		return &fault{"guardrail_plain_http", h.by("noPlainHttp") + " forbids http origins, and the regular expression may match some", "begin it with https://"}
	}
	for _, e := range g.forbidden.all {
		if e.form == patternNull || h.policy.origins.excluded.coversWhole(&e.pattern) {
			continue // no expression matches null
		}
		forbidden := quote(OriginPattern{e.pattern}.String())
		return &fault{
			"guardrail_forbidden_origin", "nobody can tell whether a regular expression matches what " + g.at(g.field("forbiddenOrigins").Item(int(e.at))) + " forbids, " + forbidden,
			mend + ", or write " + forbidden + " in excludeOrigins",
		}
	}
	return nil
}

func beginsSecurely(text string) bool {
	re, err := regexp.Compile(text)
	return err == nil && isSecureRegex(re)
}

func (h *holder) exceptions() {
	if !h.guardrail.spec.GetNoExceptions() {
		return
	}
	for _, field := range exceptionFields {
		if field.text(h.spec.GetDangerously()) == "" {
			continue
		}
		ref := ruleRef{doc: h.doc, part: partDangerously, index: whole}
		h.breachAt(ref, h.place.Field("dangerously").Field(field.name), "spec.dangerously."+field.name, &fault{
			"guardrail_exception", h.by("noExceptions") + " forbids exceptions", "remove it, and what needs it",
		})
	}
}

func (h *holder) maxAge() {
	most := h.guardrail.spec.GetMaxAge()
	age, err := time.ParseDuration(h.spec.GetMaxAge())
	if most == "" || err != nil || age <= h.guardrail.maxAge {
		return
	}
	h.breach(partMaxAge, whole, &fault{"guardrail_max_age", h.by("maxAge") + " allows " + quote(most) + " at the most, and " + quote(h.spec.GetMaxAge()) + " is more", "write " + quote(most) + " or less"})
}

func (h *holder) methods() {
	list := h.spec.GetMethods()
	for i, method := range h.guardrail.methods {
		if !h.policy.methods.allow(method) {
			continue
		}
		by := h.guardrail.at(h.guardrail.field("forbiddenMethods").Item(slices.Index(h.guardrail.spec.GetForbiddenMethods(), h.guardrail.methods[i])))
		f := &fault{"guardrail_method", by + " forbids the method " + quote(method), "remove it"}
		at := slices.Index(list, method)
		switch {
		case at >= 0:
		case len(list) == 0:
			f.reason += ", which a policy allows that does not list methods"
			f.mend = "list the methods that are needed"
		case slices.Contains(list, "*"):
			at = slices.Index(list, "*")
			f.reason += ", which \"*\" allows"
			f.mend = "list the methods that are needed"
		default: // HEAD rides on GET
			at = slices.Index(list, methodGet)
			f.reason += ", which \"GET\" brings"
		}
		h.breach(partMethods, int32(at), f) //nolint:gosec // a list within a protobuf message
	}
}

func (h *holder) requestHeaders() {
	for _, name := range h.guardrail.requestHeaders {
		if h.policy.headers.allow(name) {
			h.header(name, partRequestHeaders, "forbiddenRequestHeaders", h.guardrail.spec.GetForbiddenRequestHeaders(),
				&fault{"guardrail_request_header", " forbids the request header " + quote(name), "remove it"}, func(p preset) []string { return p.requestHeaders })
		}
	}
}

func (h *holder) exposeHeaders() {
	if len(h.guardrail.exposeHeaders) == 0 {
		return
	}
	exposed := h.policy.Grants().ExposeHeaders
	for _, name := range h.guardrail.exposeHeaders {
		if exposed.Any || slices.Contains(exposed.Names, name) {
			h.header(name, partExposeHeaders, "forbiddenExposeHeaders", h.guardrail.spec.GetForbiddenExposeHeaders(),
				&fault{"guardrail_expose_header", " forbids exposing " + quote(name), "remove it"}, func(p preset) []string { return p.exposeHeaders })
		}
	}
}

// header reports a header that the policy allows, where what allows it stands: an
// entry of the list, a preset, or `*`.
func (h *holder) header(name string, part rulePart, field string, forbidden []string, f *fault, of func(preset) []string) {
	named := func(other string) bool { return strings.EqualFold(other, name) }
	f.reason = h.guardrail.at(h.guardrail.field(field).Item(slices.IndexFunc(forbidden, named))) + f.reason
	list := partList(h.spec, part)
	at := slices.IndexFunc(list, named)
	if at < 0 {
		brings := slices.IndexFunc(h.spec.GetPresets(), func(name string) bool {
			p, _ := findPreset(name)
			return slices.ContainsFunc(of(p), named)
		})
		if brings >= 0 {
			f.reason += ", which the preset " + quote(h.spec.GetPresets()[brings]) + " brings"
			part, at, f.mend = partPresets, brings, "list the headers that are needed instead of the preset"
		} else {
			f.reason += ", which \"*\" allows"
			at, f.mend = slices.Index(list, "*"), "list the headers that are needed"
		}
	}
	h.breach(part, int32(at), f) //nolint:gosec // a list within a protobuf message
}
