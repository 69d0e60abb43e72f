package explain_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/explain"
)

// edit makes a change to a text, as a person would who reads it.
func edit(t *testing.T, text string, c *explain.Change) string {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	edits := slices.Clone(c.Edits)
	slices.SortStableFunc(edits, func(a, b explain.Edit) int { return b.Position.Line - a.Position.Line })
	for _, e := range edits {
		at := e.Position.Line // the index of the line below
		if len(e.Old) > 0 {
			// Quotation marks that YAML does not need are the writer's taste.
			bare := strings.NewReplacer(`"`, "", "\n", "")
			if got := bare.Replace(lines[at-1]); got != bare.Replace(e.Old[0]) {
				t.Fatalf("line %d is %q, and the edit takes out %q", at, got, e.Old[0])
			}
			lines = slices.Delete(lines, at-1, at)
			at--
		}
		added := make([]string, 0, len(e.New))
		for _, line := range e.New {
			added = append(added, line+"\n")
		}
		lines = slices.Insert(lines, at, added...)
	}
	return strings.Join(lines, "")
}

// What is printed can be typed: edited by hand as it says, the file holds the
// policies that were tried.
func TestEditsAsText(t *testing.T) {
	t.Parallel()
	const block = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: block
spec:
  targets:
    - hosts:
        - api.shop.example
  origins:
    - https://shop.example
  methods:
    - GET
  requestHeaders:
    - Content-Type
  exposeHeaders:
    - ETag
  credentials: false
`
	const flow = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: flow}
spec:
    targets: [{hosts: [api.shop.example]}]
    origins: [https://shop.example, "https://*.shop.example"]
    methods: [GET, POST]
    requestHeaders: ["*"]
    navigations: DENY
`
	const bare = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: bare
spec:
  targets:
  - hosts: [api.shop.example]
  originSets: [partners]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  name: partners
spec:
  origins: [https://partner.example]
`
	all := "origin=https://new.example&method=PURGE&header=X-New&header=Authorization&credentials=true&read-header=X-Read"
	tests := map[string]struct{ text, query string }{
		"block, all":         {block, all},
		"block, one":         {block, "origin=https://shop.example&method=DELETE"},
		"flow, all":          {flow, all},
		"flow, navigation":   {flow, "origin=https://new.example&method=POST&mode=navigate"},
		"bare, all":          {bare, all},
		"bare, method":       {bare, "origin=https://partner.example&method=PUT"},
		"bare, navigation":   {bare, "origin=null&method=POST&mode=navigate"},
		"block, credentials": {block, "origin=https://shop.example&credentials=true"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, err := url.ParseQuery(test.query + "&url=https://api.shop.example/x")
			if err != nil {
				t.Fatal(err)
			}
			q, err := explain.ParseQuestion(values)
			if err != nil {
				t.Fatal(err)
			}
			e, err := explain.Explain(read(t, test.text), q)
			if err != nil {
				t.Fatal(err)
			}
			if e.Change == nil {
				t.Fatalf("no change: %+v", e.NoChange)
			}
			edited := edit(t, test.text, e.Change)
			if got := read(t, edited).Set.Revision(); got != e.Change.Revision {
				t.Errorf("revision %s, tried %s:\n%s", got, e.Change.Revision, edited)
			}
			after, err := explain.Explain(read(t, edited), q)
			if err != nil || after.Outcome != explain.OutcomeAllowed {
				t.Errorf("with the change it is %s (%v):\n%s", after.Outcome, err, edited)
			}
		})
	}
}

// read reads and compiles a text.
func read(t *testing.T, text string) explain.Policies {
	t.Helper()
	docs, problems := document.Read("p.yaml", []byte(text))
	set, more := policy.Compile(docs, policy.Options{})
	if problems = append(problems, more...); set == nil || len(problems.Errors()) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	return explain.Policies{Set: set, Documents: docs}
}
