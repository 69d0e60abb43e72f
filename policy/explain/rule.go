package explain

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// rule writes down which part of a document decided a step, and what it made of
// it.
func (w *world) rule(p *play, s *step) *Rule {
	d := &s.decision
	found, ok := d.Rule()
	if !ok {
		return nil
	}
	r := &Rule{Field: found.Field, Text: found.Text, Document: found.Document, Position: found.Position}
	if r.Text == "" {
		r.Text = fieldText(d.Policy.Spec(), found.Field)
	}
	r.Why = w.why(p, s, r)
	if d.Reason == policy.ReasonOriginNotAllowed {
		r.Near = w.near(d.Policy, s.wire.Origin)
	}
	return r
}

// fieldText is what a policy says in a field, as a document writes it.
func fieldText(spec *corsgatev1.CorsPolicySpec, field string) string {
	switch field {
	case "spec.origins":
		if n := len(spec.GetOrigins()); n > maxShown {
			return fmt.Sprintf("%s … and %d more", flow(spec.GetOrigins()[:maxShown]), n-maxShown)
		}
		return flow(spec.GetOrigins())
	case "spec.methods":
		return flow(spec.GetMethods())
	case "spec.requestHeaders":
		return flow(spec.GetRequestHeaders())
	case "spec.exposeHeaders":
		return flow(spec.GetExposeHeaders())
	case "spec.presets":
		return flow(spec.GetPresets())
	case "spec.credentials":
		return strconv.FormatBool(spec.GetCredentials())
	case "spec.maxAge":
		return spec.GetMaxAge()
	case "spec.onDisallowedOrigin":
		return dispositionText(spec.GetOnDisallowedOrigin())
	case "spec.navigations":
		return dispositionText(spec.GetNavigations())
	case "spec.enforcement":
		return strings.TrimPrefix(spec.GetEnforcement().String(), "ENFORCEMENT_")
	}
	return ""
}

// maxShown is how many entries of a list are written out.
const maxShown = 8

func dispositionText(d corsgatev1.Disposition) string {
	if d == corsgatev1.Disposition_DISPOSITION_UNSPECIFIED {
		return ""
	}
	return strings.TrimPrefix(d.String(), "DISPOSITION_")
}

// flow writes a list on one line, as YAML. An empty one is a field left out.
func flow(list []string) string {
	if len(list) == 0 {
		return ""
	}
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = scalar(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// why says what a rule made of a step.
func (w *world) why(p *play, s *step, r *Rule) string {
	d := &s.decision
	spec := d.Policy.Spec()
	switch d.Reason {
	case policy.ReasonOriginAllowed:
		return w.whyAllowed(s, r)
	case policy.ReasonOriginExcluded:
		return s.wire.Origin + " is excluded by it, whatever lets it in elsewhere"
	case policy.ReasonOriginNotAllowed, policy.ReasonOriginNull:
		why := "no entry of " + joinAnd(originParts(spec)) + " matches " + s.wire.Origin
		if r.Field == "spec.onDisallowedOrigin" {
			why += "; such a request goes on to the service, without CORS headers"
		}
		return why
	case policy.ReasonCrossSiteNavigation:
		why := s.wire.Origin + " is not listed, and a form post that navigates"
		if spec.GetNavigations() == corsgatev1.Disposition_DISPOSITION_PASS {
			return why + " may pass all the same"
		}
		return why + " is refused unless the policy says navigations: PASS"
	case policy.ReasonMethodNotAllowed:
		return fmt.Sprintf("%s is not among them; allowed %s", methodOf(s), listed(d.Policy.Grants().Methods))
	case policy.ReasonHeaderNotAllowed:
		refused := p.refusedHeaders(w.set)
		return fmt.Sprintf("%s not among them; allowed %s", are(refused), listed(d.Policy.Grants().RequestHeaders))
	case policy.ReasonTooManyHeaders:
		return "more than 128 names, or more than 8 KiB of them, are asked for at once; none is read"
	case policy.ReasonGuardrail:
		return "a guardrail forbids it, so the policy lets nobody in"
	case policy.ReasonDisabled:
		return "the policy is switched off: its requests go on to the service untouched"
	}
	return ""
}

func (w *world) whyAllowed(s *step, r *Rule) string {
	set := ""
	if r.Document != s.decision.Policy.Name {
		set = ", in the origin set " + r.Document
	}
	switch {
	case r.Text == s.wire.Origin:
		return "the origin itself is listed" + set
	case strings.HasPrefix(r.Field, "spec.originRegexes"):
		return "the whole of " + s.wire.Origin + " matches this regular expression"
	case r.Text == "*":
		return "any origin may call"
	}
	return s.wire.Origin + " matches it" + set
}

// methodOf is the method in question.
func methodOf(s *step) string {
	if s.wire.RequestMethod != "" {
		return s.wire.RequestMethod
	}
	return s.wire.Method
}

// originParts names what a policy lists origins in.
func originParts(spec *corsgatev1.CorsPolicySpec) []string {
	var parts []string
	for _, part := range []struct {
		name string
		size int
	}{
		{"origins", len(spec.GetOrigins())},
		{"temporaryOrigins", len(spec.GetTemporaryOrigins())},
		{"originRegexes", len(spec.GetOriginRegexes())},
	} {
		if part.size > 0 {
			parts = append(parts, part.name)
		}
	}
	if sets := spec.GetOriginSets(); len(sets) > 0 {
		parts = append(parts, "the origin sets "+strings.Join(sets, ", "))
	}
	return parts
}

// listed is a list of what is allowed, with its verb.
func listed(l policy.NameList) string {
	names := slices.Clone(l.Names)
	switch {
	case l.Any && len(names) == 0:
		return `is any ("*"), but for what "*" never covers`
	case l.Any:
		return `is any ("*"), and ` + joinAnd(names)
	case len(names) == 0:
		return "is none beyond what needs no permission"
	case len(names) == 1:
		return "is " + names[0]
	case len(names) > 2*maxShown:
		return fmt.Sprintf("are %s … and %d more", strings.Join(names[:2*maxShown], ", "), len(names)-2*maxShown)
	}
	return "are " + joinAnd(names)
}

func are(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return joinAnd(names) + " are"
}

// maxCompared is how many entries of lists are looked at for one that nearly
// matches.
const maxCompared = 50_000

// near returns the entry of a policy's lists that nearly matches an origin, or
// nil.
func (w *world) near(p *policy.Policy, origin string) *Near {
	a, ok := parseAddress(origin)
	if !ok {
		return nil
	}
	spec, doc := p.Spec(), w.policyDocument(p.Name)
	var best *Near
	bestScore, left := 0, maxCompared
	look := func(doc *policy.Document, place *policy.Place, texts []string) {
		texts = texts[:min(len(texts), left)]
		left -= len(texts)
		for i, text := range texts {
			if score, why := nearOrigin(text, a); score > bestScore {
				bestScore, best = score, &Near{Text: text, Position: at(doc, place.Item(i)), Why: why}
			}
		}
	}
	if doc != nil {
		look(doc, doc.Root.Field("spec").Field("origins"), spec.GetOrigins())
		temporary := make([]string, 0, len(spec.GetTemporaryOrigins()))
		for _, entry := range spec.GetTemporaryOrigins() {
			temporary = append(temporary, entry.GetOrigin())
		}
		look(doc, doc.Root.Field("spec").Field("temporaryOrigins"), temporary)
	}
	for _, name := range spec.GetOriginSets() {
		if set := w.setDocument(p.OriginSet(name)); set != nil {
			origins := set.Message.(*corsgatev1.CorsOriginSet).GetSpec().GetOrigins() //nolint:forcetypeassert // setDocument looks for nothing else
			look(set, set.Root.Field("spec").Field("origins"), origins)
		}
	}
	return best
}

// nearOrigin says how nearly an entry matches an origin, and what keeps it from
// it.
func nearOrigin(text string, a address) (score int, why string) {
	entry, ok := parseAddress(text)
	if !ok {
		return 0, ""
	}
	domain, below := strings.CutPrefix(entry.host, "*.")
	switch {
	case below && !strings.Contains(domain, "*"):
		return nearSubdomains(entry, domain, a)
	case strings.Contains(entry.host, "*"):
		return 0, ""
	case entry.host == a.host && entry.port != "*" && entry.scheme == a.scheme && entry.port != a.port:
		return 8, fmt.Sprintf("the port differs: %s there, %s here", portText(entry), portText(a))
	case entry.host == a.host && entry.scheme != a.scheme:
		return 7, fmt.Sprintf("the scheme differs: %s there, %s here", entry.scheme, a.scheme)
	case entry.scheme != a.scheme:
		return 0, ""
	}
	return nearHost(entry.host, a.host)
}

// nearSubdomains compares an origin with any subdomain of a domain.
func nearSubdomains(entry address, domain string, a address) (score int, why string) {
	switch {
	case domain == a.host && entry.scheme == a.scheme:
		return 9, "\"*.\" stands for one or more labels, and never for " + domain + " itself"
	case strings.HasSuffix(a.host, "."+domain):
		return 5, fmt.Sprintf("its scheme or port differs (%s, %s here)", a.scheme, portText(a))
	}
	return 0, ""
}

// nearHost compares hosts that are not equal.
func nearHost(entry, host string) (score int, why string) {
	switch {
	case strings.TrimSuffix(host, ".") == entry:
		return 6, "the dot at the end makes it another host"
	case "www."+host == entry, "www."+entry == host:
		return 5, "www makes it another origin"
	case strings.HasSuffix(host, "."+entry):
		return 4, "a subdomain is another origin; \"*.\" would cover it"
	case slipsBetween(entry, host) <= maxSlips-1:
		return 3, "the host is spelled otherwise"
	}
	return 0, ""
}

// canonicalOrigin is what a browser would make of a text that is meant to be an
// origin, or "" where it is nothing else already.
func canonicalOrigin(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" {
		return ""
	}
	u, err = parseTarget(u.String())
	if err != nil {
		return ""
	}
	origin := browser.OriginOf(u)
	if origin == browser.OpaqueOrigin && u.Scheme != "" {
		origin = u.Scheme + "://" + u.Host
	}
	if origin == text {
		return ""
	}
	return origin
}

// scalar writes a text as YAML, quoted where YAML would take it for something
// else.
func scalar(text string) string {
	plain := text != "" && strings.IndexByte("*&!|>%@`\"'#,[]{}?-: ", text[0]) < 0 &&
		!strings.ContainsAny(text, ",[]{}#\"'\\\n\t") && !strings.Contains(text, ": ") && !strings.HasSuffix(text, ":")
	switch strings.ToLower(text) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", "~":
		plain = false
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		plain = false
	}
	if plain && !strings.HasSuffix(text, " ") {
		return text
	}
	return strconv.Quote(text)
}
