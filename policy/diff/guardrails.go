package diff

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A GuardrailChange is what became of a guardrail. By itself it changes no request:
// it changes what policies may say from now on.
type GuardrailChange struct {
	Guardrail string `json:"guardrail"`
	// Position is where the guardrail stands, or where it stood.
	Position policy.Position `json:"position"`
	// Status is "added", "removed" or "changed".
	Status string          `json:"status"`
	Items  []GuardrailItem `json:"items"`
	Risks  []Risk          `json:"risks"`
}

// The values of GuardrailChange.Status.
const (
	GuardrailAdded   = "added"
	GuardrailRemoved = "removed"
	GuardrailChanged = "changed"
)

// A GuardrailItem is one thing that a guardrail forbids to more or to fewer, or one
// that it forbids now and did not, or the reverse.
type GuardrailItem struct {
	// Weaker says that policies may do more than before.
	Weaker bool `json:"weaker"`
	// Field is the guardrail's, such as "originSuffixes".
	Field string `json:"field"`
	Text  string `json:"text"`
}

// guardrailReason is why a guardrail that forbids less is a risk.
const guardrailReason = "policies may do what was forbidden to them on purpose"

// guardrails compares the guardrails of both sides, by name.
func (r *reporter) guardrails() []GuardrailChange {
	before, after := byName(r.before.Set.Guardrails()), byName(r.after.Set.Guardrails())
	r.renamed(before, after)
	names := make([]string, 0, len(before)+len(after))
	for _, side := range []map[string]*policy.Guardrail{before, after} {
		for name := range side {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	changes := []GuardrailChange{}
	for _, name := range slices.Compact(names) {
		if change := compareGuardrails(before[name], after[name]); len(change.Items) > 0 {
			changes = append(changes, change)
		}
	}
	return changes
}

func byName(list []*policy.Guardrail) map[string]*policy.Guardrail {
	named := make(map[string]*policy.Guardrail, len(list))
	for _, g := range list {
		named[g.Name] = g
	}
	return named
}

// renamed takes out guardrails that say the same under another name.
func (r *reporter) renamed(before, after map[string]*policy.Guardrail) {
	for _, was := range r.before.Set.Guardrails() {
		if after[was.Name] != nil {
			continue
		}
		for _, is := range r.after.Set.Guardrails() {
			if before[is.Name] == nil && after[is.Name] != nil && proto.Equal(was.Spec(), is.Spec()) {
				r.notef(&is.Position, "what the guardrail %q forbade is forbidden by %q", was.Name, is.Name)
				delete(before, was.Name)
				delete(after, is.Name)
				break
			}
		}
	}
}

// compareGuardrails compares one guardrail before and after. Either may be nil.
func compareGuardrails(before, after *policy.Guardrail) GuardrailChange {
	c := guardrailComparison{}
	switch {
	case before == nil:
		c.GuardrailChange = GuardrailChange{Guardrail: after.Name, Position: after.Position, Status: GuardrailAdded}
		c.addf(false, "spec", "it forbids from now on: %s", strings.Join(forbids(after.Spec()), ", "))
	case after == nil:
		c.GuardrailChange = GuardrailChange{Guardrail: before.Name, Position: before.Position, Status: GuardrailRemoved}
		c.addf(true, "spec", "it forbids no more: %s", strings.Join(forbids(before.Spec()), ", "))
	default:
		c.GuardrailChange = GuardrailChange{Guardrail: after.Name, Position: after.Position, Status: GuardrailChanged}
		c.compare(before.Spec(), after.Spec())
	}
	slices.SortStableFunc(c.Items, func(a, b GuardrailItem) int { return cmp.Compare(rankWeaker(a), rankWeaker(b)) })
	c.Risks = []Risk{}
	var weaker []string
	for _, item := range c.Items {
		if item.Weaker && !slices.Contains(weaker, item.Field) {
			weaker = append(weaker, item.Field)
		}
	}
	if len(weaker) > 0 {
		text := fmt.Sprintf("the guardrail %q forbids less than before: %s", c.Guardrail, strings.Join(weaker, ", "))
		if after == nil {
			text = fmt.Sprintf("the guardrail %q is gone", c.Guardrail)
		}
		risk := newRisk(RiskGuard, text, &c.Position)
		risk.Reason = guardrailReason
		c.Risks = append(c.Risks, risk)
	}
	return c.GuardrailChange
}

func rankWeaker(i GuardrailItem) int {
	if i.Weaker {
		return 0
	}
	return 1
}

// forbids names the fields by which a guardrail forbids something.
func forbids(spec *corsgatev1.CorsGuardrailSpec) []string {
	return slices.DeleteFunc(differing(&corsgatev1.CorsGuardrailSpec{}, spec), func(field string) bool {
		return field == "namespaces" || field == "hosts"
	})
}

// A guardrailComparison is of one guardrail, before and after.
type guardrailComparison struct{ GuardrailChange }

func (c *guardrailComparison) addf(weaker bool, field, format string, args ...any) {
	c.Items = append(c.Items, GuardrailItem{Weaker: weaker, Field: field, Text: fmt.Sprintf(format, args...)})
}

func (c *guardrailComparison) compare(before, after *corsgatev1.CorsGuardrailSpec) {
	c.reach("namespaces", before.GetNamespaces(), after.GetNamespaces())
	c.reach("hosts", before.GetHosts(), after.GetHosts())
	c.suffixes(before.GetOriginSuffixes(), after.GetOriginSuffixes())
	c.forbidden("forbiddenOrigins", before.GetForbiddenOrigins(), after.GetForbiddenOrigins(), policy.PatternCovers)
	c.credentials(before.GetCredentials(), after.GetCredentials())
	c.flag("noOriginRegexes", before.GetNoOriginRegexes(), after.GetNoOriginRegexes())
	c.flag("noPlainHttp", before.GetNoPlainHttp(), after.GetNoPlainHttp())
	c.flag("noExceptions", before.GetNoExceptions(), after.GetNoExceptions())
	c.maxAge(before.GetMaxAge(), after.GetMaxAge())
	same := func(a, b string) bool { return a == b }
	c.forbidden("forbiddenMethods", before.GetForbiddenMethods(), after.GetForbiddenMethods(), same)
	c.forbidden("forbiddenRequestHeaders", before.GetForbiddenRequestHeaders(), after.GetForbiddenRequestHeaders(), strings.EqualFold)
	c.forbidden("forbiddenExposeHeaders", before.GetForbiddenExposeHeaders(), after.GetForbiddenExposeHeaders(), strings.EqualFold)
	if !proto.Equal(before.GetAnyOrigin(), after.GetAnyOrigin()) {
		c.anyOrigin(widestOf(before), widestOf(after))
	}
}

// uncovered returns what of a list no entry of another covers.
func uncovered(list, other []string, covers func(wide, narrow string) bool) []string {
	return slices.DeleteFunc(slices.Clone(list), func(entry string) bool {
		return slices.ContainsFunc(other, func(wide string) bool { return covers(wide, entry) })
	})
}

// reach compares for whom the guardrail holds. An empty list is all.
func (c *guardrailComparison) reach(field string, before, after []string) {
	same := func(a, b string) bool { return a == b }
	gone, come := uncovered(before, after, same), uncovered(after, before, same)
	switch {
	case len(before) == 0 && len(after) > 0:
		c.addf(true, field, "it holds for %s alone; before it held for all", strings.Join(after, ", "))
	case len(after) == 0 && len(before) > 0:
		c.addf(false, field, "it holds for all; before it held for %s alone", strings.Join(before, ", "))
	default:
		if len(gone) > 0 {
			c.addf(true, field, "it holds no more for %s", strings.Join(gone, ", "))
		}
		if len(come) > 0 {
			c.addf(false, field, "it holds for %s as well", strings.Join(come, ", "))
		}
	}
}

// suffixes compares the domains that origins must keep to. An empty list is all.
func (c *guardrailComparison) suffixes(before, after []string) {
	within := func(domain, host string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	switch {
	case len(before) > 0 && len(after) == 0:
		c.addf(true, "originSuffixes", "origins of any domain may be let in; before it was %s", strings.Join(before, ", "))
	case len(before) == 0 && len(after) > 0:
		c.addf(false, "originSuffixes", "only origins of %s may be let in", strings.Join(after, ", "))
	default:
		if come := uncovered(after, before, within); len(come) > 0 {
			c.addf(true, "originSuffixes", "origins of %s may be let in as well", strings.Join(come, ", "))
		}
		if gone := uncovered(before, after, within); len(gone) > 0 {
			c.addf(false, "originSuffixes", "origins of %s may not be let in any more", strings.Join(gone, ", "))
		}
	}
}

func (c *guardrailComparison) forbidden(field string, before, after []string, covers func(wide, narrow string) bool) {
	if gone := uncovered(before, after, covers); len(gone) > 0 {
		c.addf(true, field, "%s no longer forbidden", areNamed(gone))
	}
	if come := uncovered(after, before, covers); len(come) > 0 {
		c.addf(false, field, "%s forbidden from now on", areNamed(come))
	}
}

func areNamed(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}

func (c *guardrailComparison) credentials(before, after corsgatev1.GuardrailCredentials) {
	was, is := credentialsWord(before), credentialsWord(after)
	if was != is {
		// The values of the schema are ordered by how much they forbid.
		c.addf(after < before, "credentials", "%s; before it was %s", is, was)
	}
}

func credentialsWord(level corsgatev1.GuardrailCredentials) string {
	if level == corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_UNSPECIFIED {
		level = corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_ALLOW
	}
	return strings.TrimPrefix(level.String(), "GUARDRAIL_CREDENTIALS_")
}

func (c *guardrailComparison) flag(field string, before, after bool) {
	switch {
	case before && !after:
		c.addf(true, field, "it is not asked of policies any more")
	case after && !before:
		c.addf(false, field, "it is asked of policies from now on")
	}
}

func (c *guardrailComparison) maxAge(before, after string) {
	was, _ := time.ParseDuration(before) // Compile has checked both
	is, _ := time.ParseDuration(after)
	switch {
	case before == "" && after == "":
	case after == "":
		c.addf(true, "maxAge", "it has no limit; before it was %s", before)
	case before == "":
		c.addf(false, "maxAge", "%s at the most", after)
	case was != is:
		c.addf(is > was, "maxAge", "%s at the most; before it was %s", after, before)
	}
}

// anyone is which policies may let any origin in.
type anyone struct {
	all   bool
	names []string
}

func widestOf(spec *corsgatev1.CorsGuardrailSpec) anyone {
	if spec.GetAnyOrigin() != nil {
		return anyone{names: spec.GetAnyOrigin().GetPolicies()}
	}
	return anyone{all: len(spec.GetOriginSuffixes()) == 0 && !spec.GetNoPlainHttp()}
}

func (c *guardrailComparison) anyOrigin(before, after anyone) {
	same := func(a, b string) bool { return a == b }
	switch {
	case before.all && len(after.names) == 0 && !after.all:
		c.addf(false, "anyOrigin", "no policy may let any origin in any more")
	case before.all && !after.all:
		c.addf(false, "anyOrigin", "only %s may let any origin in; before every policy might", strings.Join(after.names, ", "))
	case after.all && !before.all:
		c.addf(true, "anyOrigin", "every policy may let any origin in; before it was %s", orNobody(before.names))
	case !before.all && !after.all:
		if come := uncovered(after.names, before.names, same); len(come) > 0 {
			c.addf(true, "anyOrigin", "%s may let any origin in as well", strings.Join(come, ", "))
		}
		if gone := uncovered(before.names, after.names, same); len(gone) > 0 {
			c.addf(false, "anyOrigin", "%s may not let any origin in any more", strings.Join(gone, ", "))
		}
	}
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "no policy"
	}
	return strings.Join(names, ", ")
}

// mark begins the line of an item: policies gain what a guardrail forbids no more.
func (i *GuardrailItem) mark() string {
	if i.Weaker {
		return directionMarks[Gain]
	}
	return directionMarks[Loss]
}

func (c *GuardrailChange) writeText(b *bytes.Buffer) {
	fmt.Fprintf(b, "guardrail %s (%s)%s\n", c.Guardrail, c.Status, where(&c.Position))
	for i := range c.Items {
		fmt.Fprintf(b, "  %s %s: %s\n", c.Items[i].mark(), c.Items[i].Field, c.Items[i].Text)
	}
	writeRisksText(b, c.Risks)
}

func (c *GuardrailChange) writeMarkdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n#### guardrail %s (%s)%s\n\n", escape(c.Guardrail), c.Status, codeWhere(&c.Position))
	for i := range c.Items {
		fmt.Fprintf(b, "- `%s` **%s**: %s\n", c.Items[i].mark(), c.Items[i].Field, escape(c.Items[i].Text))
	}
}

// guardrailsChanged sums up what became of guardrails. It is empty where nothing did.
func (r *Report) guardrailsChanged() string {
	if len(r.Guardrails) == 0 {
		return ""
	}
	text := ", " + count(len(r.Guardrails), "guardrail", "guardrails") + " changed"
	weaker := 0
	for i := range r.Guardrails {
		if len(r.Guardrails[i].Risks) > 0 {
			weaker++
		}
	}
	if weaker > 0 {
		text += fmt.Sprintf(" (%d weaker)", weaker)
	}
	return text
}

// AllRisks returns the risks of all changes, those of guardrails last.
func (r *Report) AllRisks() []Risk {
	var all []Risk
	for i := range r.Changes {
		all = append(all, r.Changes[i].Risks...)
	}
	for i := range r.Guardrails {
		all = append(all, r.Guardrails[i].Risks...)
	}
	return all
}
