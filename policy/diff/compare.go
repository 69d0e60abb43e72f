package diff

import (
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// DefaultExamples is how many values an item lists where nothing else is said.
const DefaultExamples = 5

// Options is how to report.
type Options struct {
	// Examples is how many origins or targets to list of many; zero is
	// DefaultExamples, and less than zero all.
	Examples int
}

// Compare says what the change from one side to the other means.
func Compare(before, after Side, opts Options) *Report {
	if opts.Examples == 0 {
		opts.Examples = DefaultExamples
	}
	r := &reporter{before: newSide(before), after: newSide(after), examples: opts.Examples, groups: map[pair]*group{}}
	for _, c := range cellsOf(r.before, r.after) {
		g := r.group(pair{c.before, c.after, false})
		g.cells = append(g.cells, c)
	}
	r.routes()
	report := &Report{Before: r.before.summary(), After: r.after.summary(), Meaning: MeaningSame, Changes: []Change{}}
	for _, p := range r.order {
		if change := r.change(p, r.groups[p]); len(change.Items)+len(change.Risks) > 0 {
			report.Changes = append(report.Changes, change)
		}
	}
	for i := range report.Changes {
		report.count(&report.Changes[i])
	}
	report.Guardrails = r.guardrails()
	for i := range report.Guardrails {
		report.Risks += len(report.Guardrails[i].Risks)
	}
	report.Spelling = r.spelling(len(report.Guardrails) > 0)
	return report
}

func (r *Report) count(c *Change) {
	r.Risks += len(c.Risks)
	for i := range c.Items {
		r.Meaning = MeaningChanged
		switch c.Items[i].Direction {
		case Gain:
			r.Gains++
		case Loss:
			r.Losses++
		case Same:
		}
	}
}

// A pair is the policies that govern some requests before and after.
type pair struct {
	before, after *policy.Policy
	// byName says that routes name a policy that one side does not have, which
	// is refused even where requests that no policy governs pass.
	byName bool
}

// A group is the requests that a pair governs.
type group struct {
	cells  []cell
	routes []string
	same   bool // what the comparison found
}

// A reporter collects what Compare finds.
type reporter struct {
	before, after *side
	examples      int
	groups        map[pair]*group
	order         []pair
	notes         []Note
}

func (r *reporter) group(p pair) *group {
	g := r.groups[p]
	if g == nil {
		g = &group{}
		r.groups[p] = g
		r.order = append(r.order, p)
	}
	return g
}

// routes adds what routes get that name their policy. One with targets that has
// another name now is noted as a matter of spelling.
func (r *reporter) routes() {
	for _, name := range sortedNames(r.before.policies, r.after.policies) {
		before, after := r.before.policies[name], r.after.policies[name]
		switch {
		case before != nil && after != nil:
			g := r.group(pair{before.policy, after.policy, false})
			g.routes = append(g.routes, name)
		case before != nil && len(before.keys) == 0:
			g := r.group(pair{before.policy, nil, true})
			g.routes = append(g.routes, name)
		case after != nil && len(after.keys) == 0:
			g := r.group(pair{nil, after.policy, true})
			g.routes = append(g.routes, name)
		case before != nil:
			at := before.policy.Position
			r.notef(&at, "there is no policy %q any more; a route that names it in corsgate.policy would be refused", name)
		}
	}
}

func sortedNames(sides ...map[string]*policyDoc) []string {
	var names []string
	for _, policies := range sides {
		for name := range policies {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *reporter) notef(at *policy.Position, format string, args ...any) {
	r.notes = append(r.notes, Note{Text: fmt.Sprintf(format, args...), Position: at})
}

// change compares what governs a group's requests.
func (r *reporter) change(p pair, g *group) Change {
	c := comparison{
		before: r.before.governorOf(p.before, p.byName), after: r.after.governorOf(p.after, p.byName), examples: r.examples,
	}
	change := Change{Before: c.before.describe(), After: c.after.describe(), Targets: []string{}, Routes: append([]string{}, g.routes...)}
	c.compare()
	c.guards(r, g.cells)
	g.same = len(c.items)+len(c.risks) == 0
	change.Items, change.Risks = append([]Item{}, c.items...), append([]Risk{}, c.risks...)
	slices.SortStableFunc(change.Risks, func(a, b Risk) int { return riskRank(a.Code) - riskRank(b.Code) })
	change.TargetCount = len(g.cells)
	for i := range g.cells {
		if r.examples < 0 || i < r.examples {
			change.Targets = append(change.Targets, g.cells[i].key.String())
		}
	}
	return change
}

func riskRank(code Code) int {
	return slices.IndexFunc(riskKinds, func(k RiskKind) bool { return k.Code == code })
}

// guards finds requests that had a policy of their own and have none now, while
// what governs them instead lets more through.
func (c *comparison) guards(r *reporter, cells []cell) {
	gains := slices.ContainsFunc(c.items, func(i Item) bool { return i.Direction == Gain })
	said := slices.ContainsFunc(c.risks, func(r Risk) bool { return r.Code == RiskGuard })
	if !gains || said || c.before.policyDoc == nil {
		return
	}
	for i := range cells {
		key := cells[i].key
		_, was := r.before.targets[key]
		_, is := r.after.targets[key]
		if !was || is {
			continue
		}
		text := fmt.Sprintf("no policy has the target %q any more, and ", key)
		if c.after.policyDoc == nil {
			text += "none governs it"
		} else {
			text += fmt.Sprintf("the policy %q governs it", c.after.policy.Name)
		}
		at := c.before.policy.Position
		c.risks = append(c.risks, newRisk(RiskGuard, text, &at))
		return // one speaks for all of the group
	}
}

// A comparison is of the governors of some requests, before and after.
type comparison struct {
	before, after *governor
	examples      int
	items         []Item
	risks         []Risk
}

func (c *comparison) compare() {
	if c.before.mode == c.after.mode && !c.before.mode.decides() {
		return
	}
	c.barred()
	c.enforcement()
	c.strangers()
	c.origins()
	c.until()
	c.methods()
	c.requestHeaders()
	c.exposeHeaders()
	c.flags()
	c.maxAge()
	c.timing()
	c.resource()
	c.preflight()
	c.exceptions()
	slices.SortStableFunc(c.items, func(a, b Item) int { return directionRank(a.Direction) - directionRank(b.Direction) })
}

func directionRank(d Direction) int { return slices.Index([]Direction{Gain, Loss, Same}, d) }

// addf notes a change. Where field is not empty it stands at that field of the
// side that caused it: the new one, unless only the old one has a policy.
func (c *comparison) addf(d Direction, a Aspect, field, format string, args ...any) *Item {
	c.items = append(c.items, Item{Direction: d, Aspect: a, Text: fmt.Sprintf(format, args...), Position: c.at(field)})
	return &c.items[len(c.items)-1]
}

func (c *comparison) at(field string) *policy.Position {
	doc := c.after.policyDoc
	if doc == nil {
		doc = c.before.policyDoc
	}
	if doc == nil || field == "" {
		return nil
	}
	at := doc.at(field)
	return &at
}

func (c *comparison) riskf(code Code, at *policy.Position, format string, args ...any) {
	c.risks = append(c.risks, newRisk(code, fmt.Sprintf(format, args...), at))
}
