package policy

import (
	"os"
	"strings"
	"testing"
)

// The closed list of reasons is documented whole.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/answers.md")
	if err != nil {
		t.Fatalf("read the document: %v", err)
	}
	_, list, _ := strings.Cut(string(doc), "\n## Reasons\n")
	for reason := ReasonNone + 1; reason < reasonCount; reason++ {
		if !strings.Contains(list, "\n| `"+reason.String()+"` | ") {
			t.Errorf("docs/answers.md does not explain %q", reason)
		}
	}
	if rows := strings.Count(list, "\n| `"); rows != int(reasonCount)-1 {
		t.Errorf("docs/answers.md explains %d reasons, and there are %d", rows, reasonCount-1)
	}
}
