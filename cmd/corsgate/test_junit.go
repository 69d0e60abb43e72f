package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// The JUnit XML that Jenkins, GitLab and GitHub's readers agree on. There is no
// standard; https://github.com/testmoapp/junitxml describes the common part.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	File     string      `xml:"file,attr,omitempty"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	File    string      `xml:"file,attr,omitempty"`
	Line    int         `xml:"line,attr,omitempty"`
	Time    string      `xml:"time,attr"`
	Failure *junitFault `xml:"failure"`
	Error   *junitFault `xml:"error"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junitTime is how long each test took: nothing that one could measure.
const junitTime = "0"

func writeTestsJUnit(to io.Writer, run *testRun) error {
	all := junitSuites{Name: "corsgate", Time: junitTime}
	for _, suite := range junitSuitesOf(run) {
		suite.Time = junitTime
		suite.Tests = len(suite.Cases)
		for i := range suite.Cases {
			suite.Cases[i].Time = junitTime
			if suite.Cases[i].Failure != nil {
				suite.Failures++
			}
			if suite.Cases[i].Error != nil {
				suite.Errors++
			}
		}
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Suites = append(all.Suites, suite)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	if _, err := fmt.Fprintf(to, "%s%s\n", xml.Header, text); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	return nil
}

func junitSuitesOf(run *testRun) []junitSuite {
	if problems := run.problems.Errors(); len(problems) > 0 {
		return []junitSuite{junitProblems(problems)}
	}
	var suites []junitSuite
	for i := range run.results {
		r := &run.results[i]
		if n := len(suites); n == 0 || suites[n-1].Name != r.Test.Suite {
			suites = append(suites, junitSuite{Name: r.Test.Suite, File: r.Test.Position.File})
		}
		suite := &suites[len(suites)-1]
		suite.Cases = append(suite.Cases, junitResult(r))
	}
	if run.coverage != nil && run.minimum > 0 {
		suites = append(suites, junitCoverage(run))
	}
	return suites
}

func junitResult(r *policytest.Result) junitCase {
	c := junitCase{Name: r.Test.Name, Class: r.Test.Suite, File: r.Test.Position.File, Line: r.Test.Position.Line}
	if r.Passed() {
		return c
	}
	messages := make([]string, len(r.Mismatches))
	for i := range r.Mismatches {
		messages[i] = r.Mismatches[i].String()
	}
	c.Failure = &junitFault{
		Message: strings.Join(messages, "; "), Type: "mismatch",
		Text: r.Test.Position.String() + "\n" + failure(r),
	}
	return c
}

// junitCoverage makes a test of the coverage that is wanted, so that a CI server
// shows why a run failed in which all tests passed.
func junitCoverage(run *testRun) junitSuite {
	c := junitCase{Name: fmt.Sprintf("at least %d%% is covered", run.minimum), Class: "coverage"}
	if !run.covered() {
		var text strings.Builder
		for i := range run.coverage.Policies {
			for _, part := range run.coverage.Policies[i].Missing {
				text.WriteString(missing(part) + "\n")
			}
		}
		c.Failure = &junitFault{
			Message: share(run.coverage.Exercised, run.coverage.Total, run.coverage.Percent), Type: "coverage", Text: text.String(),
		}
	}
	return junitSuite{Name: "coverage", Cases: []junitCase{c}}
}

func junitProblems(problems policy.Problems) junitSuite {
	suite := junitSuite{Name: "policies and tests"}
	for i := range problems {
		p := &problems[i]
		suite.Cases = append(suite.Cases, junitCase{
			Name: p.Position.String(), Class: suite.Name, File: p.Position.File, Line: p.Position.Line,
			Error: &junitFault{Message: p.Reason, Type: p.Code, Text: p.Error()},
		})
	}
	return suite
}
