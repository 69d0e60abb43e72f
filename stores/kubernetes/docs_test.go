package kubernetes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/stores/parts"
)

// TestDocs runs the commands of docs/kubernetes.md as they stand, with a real kubectl
// on a real API server, and compares what they write. There are no nodes, so the
// webhook that is asked is that of a corsgate beside the cluster.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/kubernetes.md")
	must(t, err)
	blocks := regexp.MustCompile("(?s)```(sh|console)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 5 {
		t.Fatalf("the page has %d blocks of commands, want 5", len(blocks))
	}
	kubectl, err := parts.Kubectl(t.Context())
	must(t, err)
	programs := t.TempDir()
	corsgate, err := parts.BuildCorsgate(programs)
	must(t, err)
	must(t, os.Symlink(kubectl, filepath.Join(programs, "kubectl")))
	c := bareCluster(t)
	dir := t.TempDir()
	checkout, err := filepath.Abs("../..")
	must(t, err)
	must(t, os.Symlink(filepath.Join(checkout, "deploy"), filepath.Join(dir, "deploy")))
	kubeconfig := c.AdminKubeconfig()
	shell := func(script string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "bash", "-c", "set -eu -o pipefail\n"+script)
		command.Dir = dir
		command.Env = append(parts.Environment(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"),
			"KUBECONFIG="+kubeconfig, "HOME="+dir, "CORSGATE_LISTEN=127.0.0.1:0", "CORSGATE_ADMIN=127.0.0.1:0")
		out, err := command.CombinedOutput()
		if err != nil && !strings.Contains(script, "|| true") {
			t.Fatalf("%s\nfails: %v\n%s", script, err, out)
		}
		return string(out)
	}
	compare := func(block string) {
		t.Helper()
		command, want, _ := strings.Cut(strings.TrimPrefix(block, "$ "), "\n")
		if got := shell("{ " + command + "; } 2>&1 || true"); plain(got) != plain(want) {
			t.Errorf("$ %s\n%s\nwant\n%s", command, got, want)
		}
	}

	// "Try it": what is looked at while corsgate runs is looked at in the same shell.
	shell(blocks[0][2] + "trap 'kill $(jobs -p); wait' EXIT\nkubectl -n shop wait --for=condition=Accepted corsoriginset/partners\n")
	compare(blocks[1][2])
	compare(blocks[2][2])

	// "Install it".
	shell(blocks[3][2])
	server := parts.StartCorsgate(t, corsgate, "--kubernetes", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--webhook", "127.0.0.1:0", "--webhook-tls-cert", filepath.Join(dir, "tls.crt"), "--webhook-tls-key", filepath.Join(dir, "tls.key"))
	address := regexp.MustCompile(`"webhook":"(127\.0\.0\.1:\d+)"`).FindStringSubmatch(server.Log())
	if address == nil {
		t.Fatalf("the log names no webhook:\n%s", server.Log())
	}
	shell("kubectl delete validatingwebhookconfiguration corsgate")
	c.admit(t, address[1], writeCertificate(t, dir, 1))
	must(t, os.WriteFile(filepath.Join(dir, "wrong.yaml"), []byte(`apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: checkout}
spec:
  targets: [{hosts: [checkout.shop.example]}]
  originSets: [partner]
`), 0o600))
	eventually(t, "the webhook is asked", func() bool {
		return strings.Contains(shell("kubectl -n shop apply --dry-run=server -f wrong.yaml 2>&1 || true"), "origin_set_unknown")
	})
	compare(blocks[4][2])
}

// plain drops what differs from run to run: ages, and the space that they leave.
func plain(text string) string {
	text = regexp.MustCompile(`\b\d+s\b`).ReplaceAllString(text, "Ns")
	return strings.TrimSpace(regexp.MustCompile(`[ \t]+`).ReplaceAllString(text, " "))
}
