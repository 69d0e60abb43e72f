package policytest

import (
	"maps"
	"slices"
	"strconv"

	"github.com/corsgate/corsgate/policy"
)

// A Result is what became of one test.
type Result struct {
	Test *Test
	// Decision is what the policies made of the test's request.
	Decision policy.Decision
	// Mismatches is where it is not what the test expects. It is empty where the
	// test passed.
	Mismatches []Mismatch
}

// Passed reports whether the decision is what the test expects.
func (r *Result) Passed() bool { return len(r.Mismatches) == 0 }

// A Mismatch is one thing that is not as it was expected.
type Mismatch struct {
	// Field is the expectation, such as "verdict" or "headers.vary".
	Field string `json:"field"`
	// Expected and Got are texts, as documents and answers hold them; an empty
	// one is nothing.
	Expected string `json:"expected"`
	Got      string `json:"got"`
	// Position is where the document says what is expected.
	Position policy.Position `json:"position"`
}

// String says the mismatch on one line, for people.
func (m *Mismatch) String() string {
	return m.Field + ": expected " + orNone(m.Expected) + ", got " + orNone(m.Got)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return visible(text)
}

// Run puts each test's request to the policies, in order. The options' own time
// is of no account: each test has one. The only error is that the policies are
// invalid at one of them.
func Run(docs []policy.Document, opts policy.Options, tests []Test) ([]Result, error) {
	sets := map[int64]*policy.Set{}
	results := make([]Result, len(tests))
	for i := range tests {
		t := &tests[i]
		at := t.Time.Unix()
		if sets[at] == nil {
			opts.Now = t.Time
			set, problems := policy.Compile(docs, opts)
			if set == nil {
				return nil, problems
			}
			sets[at] = set
		}
		results[i] = Result{Test: t, Decision: sets[at].Decide(&t.Request)}
		results[i].Mismatches = t.want.compare(&results[i].Decision)
	}
	return results, nil
}

// compare returns where a decision is not what is expected.
func (e *expectation) compare(d *policy.Decision) []Mismatch {
	var all []Mismatch
	for _, f := range e.facts {
		if got, ok := f.holds(d); !ok {
			all = append(all, Mismatch{Field: f.name, Expected: f.want, Got: got, Position: f.at})
		}
	}
	sent := SentHeaders(d)
	for _, f := range e.headers {
		if got := sent[f.name]; got != f.want {
			all = append(all, Mismatch{Field: "headers." + f.name, Expected: f.want, Got: got, Position: f.at})
		}
		delete(sent, f.name)
	}
	if !e.exactly {
		return all
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		all = append(all, Mismatch{Field: "headers." + name, Got: sent[name], Position: e.at})
	}
	return all
}

// holds reports whether a decision is as the fact says, and what it is.
func (f *fact) holds(d *policy.Decision) (got string, ok bool) {
	switch f.name {
	case "verdict":
		got = d.Verdict.String()
	case "reason":
		got = d.Reason.String()
	case "kind":
		got = d.Kind.String()
	case "action":
		got = ActionWord(d)
	case "status":
		if status := d.Status(); status != 0 {
			got = strconv.Itoa(status)
		}
	case "policy":
		got = PolicyName(d)
	case "rule":
		rule, decided := d.Rule()
		if !decided {
			return "", false
		}
		return describe(rule), f.want == rule.Field || f.want == rule.Text
	}
	return got, got == f.want
}

// describe says which rule it is: its path, and its text where it has one.
func describe(rule policy.Rule) string {
	if rule.Text == "" {
		return rule.Field
	}
	return rule.Field + ", " + strconv.Quote(rule.Text)
}

// ActionWord returns the word for what the proxy does: "forward", "answer" or
// "refuse".
func ActionWord(d *policy.Decision) string { return actionWord(d.Action) }

// PolicyName returns the name of the policy that governs the request, or nothing.
func PolicyName(d *policy.Decision) string {
	if d.Policy == nil {
		return ""
	}
	return d.Policy.Name
}

// SentHeaders returns the headers that corsgate sends of its own accord, by their
// names in lower case. What only takes the place of a header of the service's is
// not among them.
func SentHeaders(d *policy.Decision) map[string]string {
	sent := map[string]string{}
	for _, h := range d.Headers() {
		if h.Write != policy.WriteReplace {
			sent[h.Name] = h.Value
		}
	}
	return sent
}
