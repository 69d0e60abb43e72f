package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Guardrail is one compiled CorsGuardrail: what no policy in its reach may do,
// whoever wrote it.
type Guardrail struct {
	// Name is unique among guardrails.
	Name string
	// Position is where the guardrail's document stands.
	Position Position

	doc   *Document
	spec  *corsgatev1.CorsGuardrailSpec
	reach []*Policy

	hosts     []TargetKey
	suffixes  domains
	forbidden forbiddenOrigins
	methods   []string
	// requestHeaders and exposeHeaders are in lower case.
	requestHeaders, exposeHeaders []string
	maxAge                        time.Duration

	// faulty says that the document has errors. Then no set is made, and what
	// policies do is not held against what could not be read.
	faulty bool
	// weighed counts the origins that were held against the guardrail.
	weighed int
}

// Spec returns what the guardrail's document says. The caller must not change it.
func (g *Guardrail) Spec() *corsgatev1.CorsGuardrailSpec { return g.spec }

// Reach returns the policies in the guardrail's reach, ordered by name. The caller
// must not change the slice.
func (g *Guardrail) Reach() []*Policy { return g.reach }

// at names the guardrail and where a part of it stands, for the reasons of breaches.
func (g *Guardrail) at(place *Place) string {
	return fmt.Sprintf("the guardrail %q at %s", g.Name, g.doc.at(place))
}

// field is where a field of the guardrail stands.
func (g *Guardrail) field(name string) *Place { return g.doc.Root.Field("spec").Field(name) }

// addGuardrail compiles one guardrail into the set, or takes it over.
func (c *compiler) addGuardrail(p *part, m *corsgatev1.CorsGuardrail) {
	doc, name := p.doc, m.GetMetadata().GetName()
	for _, first := range c.set.guardrails {
		if first.Name == name {
			c.reportTwin(doc, first.doc, "guardrail", name)
			return
		}
	}
	if p.guardrail != nil {
		again := *p.guardrail
		again.reach, again.weighed = nil, 0
		c.set.guardrails = append(c.set.guardrails, &again)
		c.problems = append(c.problems, p.problems...)
		return
	}
	found := len(c.problems)
	b := guardrailBuilder{compiler: c, Guardrail: &Guardrail{Name: name, Position: doc.at(doc.Root), doc: doc, spec: m.GetSpec()}}
	c.set.guardrails = append(c.set.guardrails, b.Guardrail)
	before := len(c.problems.Errors())
	if isEmptyGuardrail(b.spec) {
		c.report(doc, doc.Root.Field("spec"), SeverityError, "spec", &fault{
			"guardrail_empty", "the guardrail forbids nothing", "say what it forbids, such as originSuffixes: [shop.example], or remove it",
		})
	}
	b.inReach()
	b.origins()
	b.anyOrigin()
	b.forbiddenMethods()
	b.requestHeaders = b.headers("forbiddenRequestHeaders", b.spec.GetForbiddenRequestHeaders(),
		func(name string) bool { return safelistedHeader(name) != 0 }, isForbiddenRequestHeader)
	b.exposeHeaders = b.headers("forbiddenExposeHeaders", b.spec.GetForbiddenExposeHeaders(), isSafelistedResponseHeader, isForbiddenResponseHeader)
	if text := b.spec.GetMaxAge(); text != "" {
		age, f := parseMaxAge(text)
		b.maxAge = age
		b.check("maxAge", whole, f)
	}
	b.faulty = len(c.problems.Errors()) > before
	p.guardrail, p.problems = b.Guardrail, slices.Clone(c.problems[found:])
}

// isEmptyGuardrail reports whether a guardrail forbids nothing, whoever is in its
// reach.
func isEmptyGuardrail(spec *corsgatev1.CorsGuardrailSpec) bool {
	lists := len(spec.GetOriginSuffixes()) + len(spec.GetForbiddenOrigins()) + len(spec.GetForbiddenMethods()) +
		len(spec.GetForbiddenRequestHeaders()) + len(spec.GetForbiddenExposeHeaders())
	return lists == 0 && spec.GetCredentials() <= corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_ALLOW &&
		!spec.GetNoOriginRegexes() && !spec.GetNoPlainHttp() && !spec.GetNoExceptions() && spec.GetMaxAge() == "" && spec.GetAnyOrigin() == nil
}

// A guardrailBuilder compiles one guardrail, field by field.
type guardrailBuilder struct {
	*compiler
	*Guardrail
}

// check reports a fault of a field, or of one of its elements. It reports whether
// there is none.
func (b *guardrailBuilder) check(name string, i int, f *fault) bool {
	if f != nil {
		b.note(SeverityError, name, i, f)
	}
	return f == nil
}

// warn reports what is odd in a list's element.
func (b *guardrailBuilder) warn(name string, i int, f *fault) { b.note(SeverityWarning, name, i, f) }

func (b *guardrailBuilder) note(severity Severity, name string, i int, f *fault) {
	place, path := b.field(name), "spec."+name
	if i != whole {
		place, path = place.Item(i), fmt.Sprintf("%s[%d]", path, i)
	}
	b.report(b.doc, place, severity, path, f)
}

// twice warns of an element that stands in the list already.
func (b *guardrailBuilder) twice(name string, list []string, i int) bool {
	if slices.Index(list, list[i]) == i {
		return false
	}
	b.warn(name, i, &fault{"list_duplicate", quote(list[i]) + " is listed already", "remove one of them"})
	return true
}

func (b *guardrailBuilder) inReach() {
	namespaces := b.spec.GetNamespaces()
	for i, namespace := range namespaces {
		if !IsNamespace(namespace) {
			b.check("namespaces", i, &fault{"guardrail_namespace_invalid", quote(namespace) + " is not a namespace", "write a name such as \"shop\", or leave namespaces out for all"})
			continue
		}
		b.twice("namespaces", namespaces, i)
	}
	for i, text := range b.spec.GetHosts() {
		key, f := parseTargetHost(text)
		if b.check("hosts", i, f) && !b.twice("hosts", b.spec.GetHosts(), i) {
			b.hosts = append(b.hosts, key)
		}
	}
}

// origins compiles which origins policies may let in.
func (b *guardrailBuilder) origins() {
	list := b.spec.GetOriginSuffixes()
	for i, suffix := range list {
		if b.check("originSuffixes", i, checkSuffix(suffix)) && !b.twice("originSuffixes", list, i) {
			b.suffixes.add(suffix)
		}
	}
	for i, suffix := range list {
		if checkSuffix(suffix) != nil {
			continue
		}
		if _, rest, ok := strings.Cut(suffix, "."); ok && b.suffixes.hold(rest) {
			b.warn("originSuffixes", i, &fault{"guardrail_entry_needless", quote(suffix) + " lies below another of these domains", "remove it"})
		}
		if public, icann := publicsuffix.PublicSuffix(suffix); public == suffix && (icann || strings.Contains(public, ".")) {
			b.warn("originSuffixes", i, &fault{"guardrail_suffix_public", "anybody can register a name below " + quote(suffix) + ", which is a public suffix (" + suffixList() + ")", "spell out the registrable domains"})
		}
	}
	index := newOriginIndex(b.seed, b.doc, partForbiddenOrigins, b.spec.GetForbiddenOrigins())
	b.addOrigins(&index, func(at int32, p *pattern) *fault {
		if p.form == patternAny {
			return &fault{"origin_any", "\"*\" is not an origin of a list like this", "to say who may let any origin in, write anyOrigin"}
		}
		b.forbidden.add(entry{*p, at})
		return nil
	})
}

// checkSuffix refuses what is not a host.
func checkSuffix(s string) *fault {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		rest = s
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, _, _ := splitPort(strings.ToLower(rest))
	host = strings.TrimLeft(host, "*.")
	_, valid := isHost(host)
	switch {
	case host == s && valid:
		return nil
	case valid && host == strings.ToLower(s):
		return &fault{"guardrail_suffix_invalid", "browsers send hosts in lower case, so " + quote(s) + " would never match", "write " + quote(host)}
	case host == s || !valid:
		return &fault{"guardrail_suffix_invalid", quote(s) + " is not a domain", "write one such as \"shop.example\", as browsers send it"}
	}
	return &fault{"guardrail_suffix_invalid", quote(s) + " is more than a domain, which stands for itself and all that lies below it, with http and https at any port", "write " + quote(host)}
}

func (b *guardrailBuilder) anyOrigin() {
	list := b.spec.GetAnyOrigin().GetPolicies()
	for i, name := range list {
		place := b.field("anyOrigin").Field("policies").Item(i)
		path := fmt.Sprintf("spec.anyOrigin.policies[%d]", i)
		switch namespace, base, ok := strings.Cut(name, "/"); {
		case name == "*":
			b.report(b.doc, place, SeverityError, path, &fault{"guardrail_policy_invalid", "\"*\" would let every policy let any origin in, which they may already", "name policies, or leave anyOrigin out"})
		case ok && IsNamespace(namespace) && (base == "*" || IsName(base)), !ok && IsName(name):
			if slices.Index(list, name) < i {
				b.report(b.doc, place, SeverityWarning, path, &fault{"list_duplicate", quote(name) + " is listed already", "remove one of them"})
			}
		default:
			b.report(b.doc, place, SeverityError, path, &fault{"guardrail_policy_invalid", quote(name) + " is not the name of a policy", "write one such as \"shop/fonts\", or \"shop/*\" for all of a namespace"})
		}
	}
}

func (b *guardrailBuilder) forbiddenMethods() {
	list := b.spec.GetForbiddenMethods()
	for i, method := range list {
		switch {
		case method == "*":
			b.check("forbiddenMethods", i, forbiddenAny("method"))
		case isForbiddenMethod(method):
			b.warn("forbiddenMethods", i, &fault{"guardrail_entry_needless", "browsers never send " + quote(method) + " for a script", "remove it"})
		case b.check("forbiddenMethods", i, checkMethod(method)) && !b.twice("forbiddenMethods", list, i):
			b.methods = append(b.methods, method)
		}
	}
}

// forbiddenAny is the fault of a list that forbids everything.
func forbiddenAny(what string) *fault {
	return &fault{"guardrail_any", "\"*\" is not a " + what + " to forbid", "name those to forbid: a policy's \"*\" is a breach wherever it would allow one of them"}
}

// headers compiles a list of forbidden headers into lower case. Those that are always
// allowed cannot be forbidden, and those that never are need not.
func (b *guardrailBuilder) headers(field string, list []string, always, never func(lower string) bool) []string {
	lowered := make([]string, len(list))
	for i, name := range list {
		lowered[i] = strings.ToLower(name)
	}
	var good []string
	for i, name := range lowered {
		switch {
		case name == "*":
			b.check(field, i, forbiddenAny("header"))
		case !isToken(name):
			b.check(field, i, &fault{"header_invalid", quote(list[i]) + " is not a header name", "write a token such as \"X-Request-Id\""})
		case always(name):
			b.check(field, i, &fault{"guardrail_header_safelisted", "the Fetch standard always allows " + quote(name) + ", so that no policy can forbid it", "remove it"})
		case never(name):
			b.warn(field, i, &fault{"guardrail_entry_needless", "browsers keep " + quote(name) + " from scripts, whatever a policy says", "remove it"})
		case !b.twice(field, lowered, i):
			good = append(good, name)
		}
	}
	return good
}

// mayLetAnyIn reports whether the guardrail names a policy among those that may let
// any origin in.
func (g *Guardrail) mayLetAnyIn(p *Policy) bool {
	return slices.ContainsFunc(g.spec.GetAnyOrigin().GetPolicies(), func(name string) bool {
		namespace, all := strings.CutSuffix(name, "/*")
		return name == p.Name || (all && namespace == p.Namespace)
	})
}

// lintGuardrails warns of guardrails that forbid nobody anything, and of policies
// that they name and that are not there.
func (c *compiler) lintGuardrails() {
	for _, g := range c.set.guardrails {
		if len(g.reach) == 0 && !g.faulty {
			c.report(g.doc, g.doc.Root.Field("metadata").Field("name"), SeverityWarning, "metadata.name", &fault{
				"guardrail_unused", fmt.Sprintf("no policy is in the reach of the guardrail %q", g.Name), "check its namespaces and hosts, or remove it",
			})
		}
		for i, name := range g.spec.GetAnyOrigin().GetPolicies() {
			namespace, all := strings.CutSuffix(name, "/*")
			known := slices.ContainsFunc(c.set.policies, func(p *Policy) bool { return p.Name == name || (all && p.Namespace == namespace) })
			if known || g.faulty {
				continue
			}
			place := g.field("anyOrigin").Field("policies").Item(i)
			c.report(g.doc, place, SeverityWarning, fmt.Sprintf("spec.anyOrigin.policies[%d]", i), &fault{
				"guardrail_policy_unknown", fmt.Sprintf("there is no policy %q", name), nearest(name, c.policyNames()),
			})
		}
	}
}

// maxNamed is how many names a text lists.
const maxNamed = 8

// policyNames are those of all policies, unless they are too many to name.
func (c *compiler) policyNames() []string {
	if len(c.set.policies) > maxNamed {
		return nil
	}
	names := make([]string, len(c.set.policies))
	for i, p := range c.set.policies {
		names[i] = p.Name
	}
	return names
}
