package policytest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Coverage is which parts of policies tests exercise.
type Coverage struct {
	// Exercised counts the parts that a test exercises, of Total.
	Exercised int `json:"exercised"`
	Total     int `json:"total"`
	// Percent is rounded down to a tenth; it is 100 where there is nothing to
	// exercise.
	Percent float64 `json:"percent"`
	// Policies are ordered by name.
	Policies []PolicyCoverage `json:"policies"`
}

// PolicyCoverage is which parts of one policy tests exercise.
type PolicyCoverage struct {
	Name      string          `json:"name"`
	Position  policy.Position `json:"position"`
	Exercised int             `json:"exercised"`
	Total     int             `json:"total"`
	Percent   float64         `json:"percent"`
	// Missing holds the parts that no test exercises: targets first, outcomes last.
	Missing []Part `json:"missing"`
}

// A Part is what a test can exercise: an entry of a list, or an outcome.
type Part struct {
	// Kind is "target", "origin", "origin set", "method", "header", "preset" or
	// "outcome".
	Kind string `json:"kind"`
	// Field is the path of the part, or of the field that decides the outcome.
	Field string `json:"field"`
	// Text is what an entry says, and what an outcome is.
	Text     string          `json:"text"`
	Position policy.Position `json:"position"`
}

// Outcome is the kind of parts that are no entries of a list.
const Outcome = "outcome"

// The other kinds of parts.
const (
	partTarget    = "target"
	partOrigin    = "origin"
	partOriginSet = "origin set"
	partMethod    = "method"
	partHeader    = "header"
	partPreset    = "preset"
)

// Cover finds which parts of the policies among some documents the tests behind
// some results exercise, whether they passed or not.
//
// A target is exercised by a request that it governs, where no more specific one
// does; an entry of a list of origins by a request that it decides; a method or a
// header by a request that is allowed with it; an outcome by a request that has
// it. The only error is that the policies are invalid.
func Cover(docs []policy.Document, results []Result) (Coverage, error) {
	var all Coverage
	// Whatever a guardrail forbids was refused before any test ran.
	set, problems := policy.Compile(docs, policy.Options{Breaches: policy.BreachesBarred})
	if set == nil {
		return Coverage{}, problems
	}
	for i := range docs {
		m, ok := docs[i].Message.(*corsgatev1.CorsPolicy)
		if !ok {
			continue
		}
		t, err := newTally(set, &docs[i], m)
		if err != nil {
			return Coverage{}, err
		}
		for j := range results {
			if r := &results[j]; PolicyName(&r.Decision) == t.name {
				t.count(r)
			}
		}
		p := t.coverage()
		all.Exercised += p.Exercised
		all.Total += p.Total
		all.Policies = append(all.Policies, p)
	}
	slices.SortFunc(all.Policies, func(a, b PolicyCoverage) int { return cmp.Compare(a.Name, b.Name) })
	all.Percent = percent(all.Exercised, all.Total)
	return all, nil
}

// percent rounds down, so that 100 means all.
func percent(exercised, total int) float64 {
	const whole, tenths = 100, 10
	if total == 0 {
		return whole
	}
	return float64(exercised*whole*tenths/total) / tenths
}

// A tally marks the parts of one policy.
type tally struct {
	set  *policy.Set
	doc  *policy.Document
	spec *corsgatev1.CorsPolicySpec
	// name is the policy's full name.
	name      string
	namespace string
	parts     []Part
	// at finds a part by its field; outcomes are found by their words, since
	// several may hang on one field.
	at        map[string]int
	exercised []bool
	targets   *targetProbe
	presets   *presetProbe
}

// mark notes that a part is exercised, if there is such a part.
func (t *tally) mark(key string) {
	if i, ok := t.at[key]; ok {
		t.exercised[i] = true
	}
}

func (t *tally) coverage() PolicyCoverage {
	pos := policy.Position{File: t.doc.File}
	if root := t.doc.Root; root != nil {
		pos.Line, pos.Column = int(root.Line), int(root.Column)
	}
	c := PolicyCoverage{Name: t.name, Position: pos, Total: len(t.parts), Missing: []Part{}}
	for i, part := range t.parts {
		if t.exercised[i] {
			c.Exercised++
		} else {
			c.Missing = append(c.Missing, part)
		}
	}
	c.Percent = percent(c.Exercised, c.Total)
	return c
}

// count marks what one result exercises.
func (t *tally) count(r *Result) {
	d := &r.Decision
	if r.Test.Request.PolicyName == "" {
		for _, field := range t.targets.find(&r.Test.Request) {
			t.mark(field)
		}
	}
	if rule, ok := t.originRule(r); ok {
		t.countRule(rule)
	}
	if d.Verdict == policy.VerdictAllow {
		t.countGrants(d.Kind, &r.Test.Request)
	}
	for _, o := range outcomes() {
		if o.of(d) {
			t.mark(o.text)
		}
	}
}

// originRule returns the rule that decided. Where an origin was excluded and the
// policy lets it pass all the same, that is the rule which excluded it: the one
// that a preflight meets.
func (t *tally) originRule(r *Result) (policy.Rule, bool) {
	if r.Decision.Kind != policy.KindActual || r.Decision.Verdict == policy.VerdictAllow {
		return r.Decision.Rule()
	}
	ask := r.Test.Request
	ask.Method, ask.RequestMethod, ask.PolicyName = methodOptions, methodGet, t.name
	d := t.set.Decide(&ask)
	if d.Reason != policy.ReasonOriginExcluded {
		return r.Decision.Rule()
	}
	return d.Rule()
}

// countRule marks the entry that decided, or the origin set that holds it.
func (t *tally) countRule(rule policy.Rule) {
	i, ok := t.at[rule.Field]
	if ok && rule.Document == t.name && t.parts[i].Position == rule.Position {
		t.exercised[i] = true
		return
	}
	for i, set := range t.spec.GetOriginSets() {
		if policy.OriginSetName(t.namespace, set) == rule.Document {
			t.mark(item("originSets", i))
		}
	}
}

// countGrants marks the method and the headers that an allowed request uses.
func (t *tally) countGrants(kind policy.Kind, r *policy.Request) {
	method := r.Method
	switch kind {
	case policy.KindPreflight:
		method = r.RequestMethod
		for name := range strings.SplitSeq(r.RequestHeaders, ",") {
			t.countHeader(name)
		}
	case policy.KindActual:
	default:
		return // methods and headers do not govern handshakes
	}
	t.markEntry("methods", t.spec.GetMethods(), func(entry string) bool { return entry == method })
}

// countHeader marks the entry that lets a header in.
func (t *tally) countHeader(name string) {
	if name == "" {
		return
	}
	for i := range t.spec.GetPresets() {
		if t.presets.allows(i, name) {
			t.mark(item("presets", i))
		}
	}
	t.markEntry("requestHeaders", t.spec.GetRequestHeaders(), func(entry string) bool { return strings.EqualFold(entry, name) })
}

// markEntry marks the entries that are meant, or `*` where none is.
func (t *tally) markEntry(field string, list []string, meant func(entry string) bool) {
	named := false
	for i, entry := range list {
		if meant(entry) {
			t.mark(item(field, i))
			named = true
		}
	}
	if i := slices.Index(list, wildcard); i >= 0 && !named {
		t.mark(item(field, i))
	}
}
