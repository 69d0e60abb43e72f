package service_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/stores/parts"
)

// TestDocs runs the calls of docs/policy-service.md as they are written, one after
// the other in one shell; only the address is another.
func TestDocs(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the examples need %s: %v", program, err)
		}
	}
	one := serve(t, parts.StartEtcd(t), "one")
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy-service.md"))
	must(t, err)
	section, _, _ := strings.Cut(string(page), "\n## The methods\n")
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n").FindAllStringSubmatch(section, -1)
	for _, block := range blocks {
		script.WriteString(strings.ReplaceAll(block[1], "127.0.0.1:9192", one.admin))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash")
	command.Dir = t.TempDir()
	command.Stdin = strings.NewReader(script.String())
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range []string{
		"+ origins: 1 origin may call", "https://a.partner.example", `"1"`,
		"shop.yaml:12:13: spec.origins[0]: ", `"originsAdded": "1"`,
		"aborted\nCorsOriginSet shop/partners was changed by local:127.0.0.1 in revision 2",
		`"origins": "2"`, "origins: [https://a.partner.example]", `"reason": "ticket 7"`, `"originsRemoved": "1"`,
		"GET https://api.shop.example/", `"id": "one"`, `"4"`,
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("the examples do not print %q where it must come:\n%s", want, out)
		}
		rest = after
	}
	if len(blocks) < 6 {
		t.Errorf("there are %d examples", len(blocks))
	}
}
