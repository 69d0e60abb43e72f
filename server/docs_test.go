package server

import (
	"os"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// Every metric of ours stands in docs/operations.md, and no other does.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatalf("read the document: %v", err)
	}
	_, table, _ := strings.Cut(string(doc), "\n## Metrics\n")
	table, _, _ = strings.Cut(table, "\n## ")
	m := newMetrics(Build{Version: "v0"})
	m.decisions.WithLabelValues("", "", "", "")
	m.revisionInfo.WithLabelValues("")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	ours := 0
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "corsgate_") {
			continue
		}
		ours++
		if !strings.Contains(table, "\n| `"+family.GetName()+"` |") {
			t.Errorf("docs/operations.md does not mention %s", family.GetName())
		}
	}
	if rows := strings.Count(table, "\n| `"); rows != ours {
		t.Errorf("docs/operations.md has %d metrics, and there are %d", rows, ours)
	}
}

// What a decision says in Envoy's metadata stands in docs/envoy.md, and nothing
// else does.
func TestMetadataIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/envoy.md")
	if err != nil {
		t.Fatalf("read the document: %v", err)
	}
	_, table, _ := strings.Cut(string(doc), "\n## What Envoy knows of a decision\n")
	table, _, _ = strings.Cut(table, "\n## ")
	documents, problems := document.Read("policies.yaml", []byte(`apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets: [{hosts: ["*"]}]
  origins: [https://shop.example]
  enforcement: REPORT_ONLY
`))
	set, more := policy.Compile(documents, policy.Options{})
	if set == nil {
		t.Fatalf("%v %v", problems, more)
	}
	decision := set.Decide(&policy.Request{Method: "GET", Host: "api.shop.example", Path: "/", Origin: "https://shop.example"})
	said := decisionMetadata(&decision, set.Revision()).GetFields()["cors"].GetStructValue().GetFields()
	if len(said) == 0 {
		t.Fatal("the decision says nothing")
	}
	for key := range said {
		if !strings.Contains(table, "`"+key+"`") {
			t.Errorf("docs/envoy.md does not mention %s", key)
		}
	}
	listed := 0
	for line := range strings.Lines(table) {
		if first, ok := strings.CutPrefix(line, "| `"); ok {
			cell, _, _ := strings.Cut(first, " |")
			listed += strings.Count(cell, "`, `") + 1
		}
	}
	if listed != len(said) {
		t.Errorf("docs/envoy.md lists %d keys, and there are %d", listed, len(said))
	}
}
