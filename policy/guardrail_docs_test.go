package policy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// Every code that says something of guardrails stands in docs/guardrails.md, and no
// other does.
func TestGuardrailCodesAreDocumented(t *testing.T) {
	t.Parallel()
	doc := readFile(t, "../docs/guardrails.md")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(guardrail_[a-z_]+)` \\| ").FindAllStringSubmatch(doc, -1) {
		documented[row[1]] = true
	}
	known := map[string]bool{}
	for _, code := range regexp.MustCompile(`&fault\{\s*"(guardrail_[a-z_]+)"`).FindAllStringSubmatch(readAll(t, "guardrail*.go"), -1) {
		known[code[1]] = true
		if !documented[code[1]] {
			t.Errorf("docs/guardrails.md does not explain %q", code[1])
		}
	}
	for code := range documented {
		if !known[code] {
			t.Errorf("docs/guardrails.md explains %q, which nothing says", code)
		}
	}
}

// The guardrails of docs/guardrails.md are as they should be.
func TestGuardrailExample(t *testing.T) {
	t.Parallel()
	_, example, _ := strings.Cut(readFile(t, "../docs/guardrails.md"), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	policies := policyOf("pay/api", "origins: [https://pay.example]\nmethods: [GET, POST]") + policyOf("assets/fonts", "origins: [\"*\"]\nexcludeOrigins: [https://legacy.shop.example]")
	docs, problems := document.Read("guardrails.md", []byte(example+policies))
	if len(problems) > 0 {
		t.Fatalf("read: %v", problems)
	}
	if set, problems := policy.Compile(docs, policy.Options{}); set == nil || len(problems) > 0 || len(set.Guardrails()) != 2 {
		t.Errorf("the example does not compile as it should: %v", problems)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(data)
}
