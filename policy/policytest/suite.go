package policytest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Suite is the tests of one document.
type Suite struct {
	Name     string
	Position policy.Position
	Tests    []Test
}

// A Test is one request and what it must get: a test without rows, or one row.
type Test struct {
	// Suite is the name of the document.
	Suite string
	// Name is the name of the test and, behind a slash, of its row.
	Name string
	// Position is where the test or the row stands.
	Position policy.Position
	// URL is the request's, as the document writes it.
	URL string
	// Request is what the engine is asked.
	Request policy.Request
	// Time is when the request comes. The zero time is before the end of every
	// temporary origin.
	Time time.Time

	want expectation
}

// FullName names the test among all: "storefront/strangers/2".
func (t *Test) FullName() string { return t.Suite + "/" + t.Name }

// Compile makes suites of documents, in the order of the documents. All problems
// are reported at once, ordered by position, and each is an error; where there
// are any the suites are nil.
func Compile(docs []policy.Document) ([]Suite, policy.Problems) {
	var c compiler
	var suites []Suite
	named := map[string]policy.Position{}
	for i := range docs {
		m, ok := docs[i].Message.(*corsgatev1.CorsPolicyTest)
		if !ok {
			continue
		}
		c.doc = &docs[i]
		name := c.at(c.doc.Root.Field("metadata").Field("name"))
		if first, ok := named[m.GetMetadata().GetName()]; ok {
			c.report(name, "metadata.name", "name_duplicate",
				fmt.Sprintf("the test document %q is there already, at %s", m.GetMetadata().GetName(), first), "give one of them another name")
		}
		named[m.GetMetadata().GetName()] = name
		suites = append(suites, c.suite(m))
	}
	if len(c.problems) == 0 {
		return suites, nil
	}
	c.problems.Sort()
	return nil, slices.Compact(c.problems) // a test's fault is one of each of its rows
}

// A compiler makes tests of one document after the other.
type compiler struct {
	doc      *policy.Document
	problems policy.Problems
}

func (c *compiler) at(p *policy.Place) policy.Position {
	pos := policy.Position{File: c.doc.File}
	if p != nil {
		pos.Line, pos.Column = int(p.Line), int(p.Column)
	}
	return pos
}

func (c *compiler) report(at policy.Position, field, code, reason, mend string) {
	c.problems = append(c.problems, policy.Problem{Code: code, Position: at, Field: field, Reason: reason, Mend: mend})
}

func (c *compiler) suite(m *corsgatev1.CorsPolicyTest) Suite {
	s := Suite{Name: m.GetMetadata().GetName(), Position: c.at(c.doc.Root)}
	spec := c.doc.Root.Field("spec")
	base := layer{path: "spec", place: spec, request: m.GetSpec().GetRequest()}
	if len(m.GetSpec().GetTests()) == 0 {
		c.report(c.at(spec), "spec.tests", "tests_missing", "the document tests nothing", "list tests, or remove the document")
	}
	first := map[string]policy.Position{}
	for i, test := range m.GetSpec().GetTests() {
		l := layer{
			path: fmt.Sprintf("spec.tests[%d]", i), place: spec.Field("tests").Item(i),
			request: test.GetRequest(), expect: test.GetExpect(),
		}
		c.name(l, test.GetName(), true, first)
		if len(test.GetRows()) == 0 {
			s.Tests = append(s.Tests, c.test(s.Name, test.GetName(), base, l))
			continue
		}
		s.Tests = append(s.Tests, c.rows(s.Name, test, base, l)...)
	}
	return s
}

// rows makes a test of each row of a table.
func (c *compiler) rows(suite string, test *corsgatev1.PolicyTest, base, above layer) []Test {
	tests := make([]Test, len(test.GetRows()))
	first := map[string]policy.Position{}
	for i, row := range test.GetRows() {
		l := layer{
			path: fmt.Sprintf("%s.rows[%d]", above.path, i), place: above.place.Field("rows").Item(i),
			request: row.GetRequest(), expect: row.GetExpect(),
		}
		name := row.GetName()
		c.name(l, name, false, first)
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		tests[i] = c.test(suite, test.GetName()+"/"+name, base, above, l)
	}
	return tests
}

// name checks the name of a test or of a row.
func (c *compiler) name(l layer, name string, required bool, first map[string]policy.Position) {
	path, at := l.path+".name", c.at(l.place.Field("name"))
	switch twin, ok := first[name]; {
	case name == "" && required:
		c.report(c.at(l.place), path, "name_missing", "the test has no name", "say in a few words what it shows")
	case name == "":
	case hasControl(name):
		c.report(at, path, "name_invalid", "the name holds a line break or another control character", "write it on one line")
	case ok:
		c.report(at, path, "name_duplicate", fmt.Sprintf("%q is there already, at %s", name, twin), "give one of them another name")
	default:
		first[name] = at
	}
}

// hasControl reports whether a text would break the line that it is written on.
func hasControl(s string) bool {
	return slices.ContainsFunc([]rune(s), func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' })
}

// test makes a test of the layers that say what it is.
func (c *compiler) test(suite, name string, layers ...layer) Test {
	d := draft{compiler: c, layers: layers}
	return Test{
		Suite:    suite,
		Name:     name,
		Position: c.at(d.last().place),
		URL:      d.request().GetUrl(),
		Request:  d.wire(),
		Time:     d.time(),
		want:     d.expectation(),
	}
}
