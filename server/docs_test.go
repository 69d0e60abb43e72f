package server

import (
	"os"
	"strings"
	"testing"
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
