package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// writeTests writes the results for people: what failed and why, what is not
// covered, and one line that sums up.
func writeTests(to io.Writer, run *testRun) error {
	var b bytes.Buffer
	if len(run.problems.Errors()) > 0 {
		fmt.Fprintf(&b, "%s\n%s; no test was run\n", run.problems.Error(), countProblems(run.problems))
	} else {
		for i := range run.results {
			writeResult(&b, &run.results[i], run.verbose)
		}
		writeCoverage(&b, run)
		fmt.Fprintf(&b, "%d passed, %d failed\n", len(run.results)-run.failed(), run.failed())
	}
	if _, err := to.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

func writeResult(b *bytes.Buffer, r *policytest.Result, verbose bool) {
	switch {
	case !r.Passed():
		fmt.Fprintf(b, "%s: FAIL %s\n%s", r.Test.Position, r.Test.FullName(), failure(r))
	case verbose:
		fmt.Fprintf(b, "%s: ok %s\n", r.Test.Position, r.Test.FullName())
	}
}

// failure says what became of a test that failed: its request, each mismatch,
// and what decided.
func failure(r *policytest.Result) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "    %s\n", r.Test.Describe())
	for i := range r.Mismatches {
		fmt.Fprintf(&b, "    %s\n", r.Mismatches[i].String())
	}
	fmt.Fprintf(&b, "    decided by %s\n", decider(&r.Decision))
	return b.String()
}

// decider says which part of which document decided, and where it stands.
func decider(d *policy.Decision) string {
	rule, ok := d.Rule()
	switch {
	case ok && rule.Text != "":
		return fmt.Sprintf("%s, %s, of %s at %s", rule.Field, strconv.Quote(rule.Text), rule.Document, rule.Position)
	case ok:
		return fmt.Sprintf("%s of %s at %s", rule.Field, rule.Document, rule.Position)
	case d.Policy != nil:
		return fmt.Sprintf("the policy %s at %s, by no single part of it", d.Policy.Name, d.Policy.Position)
	default:
		return "no policy"
	}
}

func writeCoverage(b *bytes.Buffer, run *testRun) {
	c := run.coverage
	if c == nil {
		return
	}
	for i := range c.Policies {
		for _, part := range c.Policies[i].Missing {
			fmt.Fprintf(b, "%s\n", missing(part))
		}
	}
	for i := range c.Policies {
		p := &c.Policies[i]
		fmt.Fprintf(b, "coverage of %s: %s\n", p.Name, share(p.Exercised, p.Total, p.Percent))
	}
	fmt.Fprintf(b, "coverage: %s", share(c.Exercised, c.Total, c.Percent))
	if !run.covered() {
		fmt.Fprintf(b, "; %d%% are wanted", run.minimum)
	}
	b.WriteString("\n")
}

func share(exercised, total int, percent float64) string {
	return fmt.Sprintf("%s%%, %d of %s", strconv.FormatFloat(percent, 'f', -1, 64), exercised, count(total, "part", "parts"))
}

// missing says which part no test exercises.
func missing(part policytest.Part) string {
	if part.Kind == policytest.Outcome {
		return fmt.Sprintf("%s: %s: no test tries %s", part.Position, part.Field, part.Text)
	}
	return fmt.Sprintf("%s: %s: no test exercises the %s %s", part.Position, part.Field, part.Kind, strconv.Quote(part.Text))
}

// testReport is the JSON of `test`. Fields are added to it, and none changes its
// meaning.
type testReport struct {
	// Good says that all tests passed and that enough is covered.
	Good   bool `json:"good"`
	Passed int  `json:"passed"`
	Failed int  `json:"failed"`
	// Revision is of the policies. It is absent where they are invalid.
	Revision string       `json:"revision,omitempty"`
	Tests    []testResult `json:"tests"`
	// Coverage is absent where it is not wanted.
	Coverage *coverageReport `json:"coverage,omitempty"`
	// Problems are of policies and tests; with an error among them no test was
	// run.
	Problems policy.Problems `json:"problems"`
}

type testResult struct {
	// Name is "suite/test" or "suite/test/row".
	Name     string          `json:"name"`
	Suite    string          `json:"suite"`
	Position policy.Position `json:"position"`
	Passed   bool            `json:"passed"`
	// Request says the request in words.
	Request  string         `json:"request"`
	Decision decisionReport `json:"decision"`
	// Mismatches are where the decision is not what was expected; an empty text
	// is nothing.
	Mismatches []policytest.Mismatch `json:"mismatches"`
}

// decisionReport is a decision in the words that tests use.
type decisionReport struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Kind    string `json:"kind"`
	Action  string `json:"action"`
	// Status is absent where the request goes on to the service.
	Status int    `json:"status,omitempty"`
	Policy string `json:"policy,omitempty"`
	// Rule is absent where no single part of a document decided.
	Rule    *ruleReport       `json:"rule,omitempty"`
	Headers map[string]string `json:"headers"`
}

type ruleReport struct {
	Field    string          `json:"field"`
	Text     string          `json:"text,omitempty"`
	Document string          `json:"document"`
	Position policy.Position `json:"position"`
}

type coverageReport struct {
	policytest.Coverage

	// Minimum is the percentage that was wanted.
	Minimum int `json:"minimum"`
}

func writeTestsJSON(to io.Writer, run *testRun) error {
	report := testReport{
		Good:     run.good(),
		Passed:   len(run.results) - run.failed(),
		Failed:   run.failed(),
		Revision: run.revision,
		Tests:    make([]testResult, len(run.results)),
		Problems: append(policy.Problems{}, run.problems...),
	}
	for i := range run.results {
		report.Tests[i] = reportResult(&run.results[i])
	}
	if run.coverage != nil {
		report.Coverage = &coverageReport{Coverage: *run.coverage, Minimum: run.minimum}
	}
	return writeJSON(to, &report)
}

func reportResult(r *policytest.Result) testResult {
	d := &r.Decision
	result := testResult{
		Name:     r.Test.FullName(),
		Suite:    r.Test.Suite,
		Position: r.Test.Position,
		Passed:   r.Passed(),
		Request:  r.Test.Describe(),
		Decision: decisionReport{
			Verdict: d.Verdict.String(),
			Reason:  d.Reason.String(),
			Kind:    d.Kind.String(),
			Action:  policytest.ActionWord(d),
			Status:  d.Status(),
			Policy:  policytest.PolicyName(d),
			Headers: policytest.SentHeaders(d),
		},
		Mismatches: append([]policytest.Mismatch{}, r.Mismatches...),
	}
	if rule, ok := d.Rule(); ok {
		result.Decision.Rule = &ruleReport{Field: rule.Field, Text: rule.Text, Document: rule.Document, Position: rule.Position}
	}
	return result
}
