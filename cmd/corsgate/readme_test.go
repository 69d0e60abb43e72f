package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README's policy is valid, its test passes, and what its console shows is
// what the commands print.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatalf("read the README: %v", err)
	}
	readme := string(text)
	blocks := regexp.MustCompile("(?s)```yaml\n(apiVersion.*?)```").FindAllStringSubmatch(readme, -1)
	if len(blocks) != 2 {
		t.Fatalf("the README has %d documents, want a policy and a test", len(blocks))
	}
	policies := folder(t, "storefront.yaml", blocks[0][1], "storefront_test.yaml", blocks[1][1])
	if got := run(t, policies, "validate", "--strict", policies); got.Code != 0 {
		t.Errorf("validate: %+v", got)
	}
	if got := run(t, policies, "test", policies); got.Code != 0 || !strings.Contains(got.Out, "1 passed, 0 failed") {
		t.Errorf("test: %+v", got)
	}
	explained := run(t, policies, "explain", "--policy", policies, "--origin", "https://evil.example", "--url", "https://api.shop.example/v1/orders", "--method", "DELETE")
	answer, _, _ := strings.Cut(explained.Out, "\n\n")
	shown(t, readme, strings.ReplaceAll(answer, "\n", " "))

	broken := folder(t, "storefront.yaml", strings.Replace(blocks[0][1], "[https://shop.example,", "[https://shop.example/,", 1))
	got := run(t, broken, "validate", broken)
	problem, _, _ := strings.Cut(got.Out, "\n")
	shown(t, readme, strings.Replace(problem, "DIR", "policies", 1))
}

// shown checks that a line stands in the README.
func shown(t *testing.T, readme, line string) {
	t.Helper()
	if line == "" || !strings.Contains(readme, "\n"+line+"\n") {
		t.Errorf("the README does not show\n%s", line)
	}
}
