package cli_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/stores/parts"
)

// patience is how long the quick start may take on a busy machine.
const patience = 3 * time.Minute

// The commands of the quick start run as they stand, one after the other in one
// shell. Their ports are fixed, so that the shell has a network of its own where the
// system allows that.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/central-store.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) < 5 {
		t.Fatalf("the quick start has %d blocks of commands", len(blocks))
	}
	etcd := filepath.Join(os.Getenv(programFolder), "etcd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", etcd, "go.etcd.io/etcd/server/v3").CombinedOutput(); err != nil {
		t.Fatalf("build etcd: %v\n%s", err, out)
	}
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\ntrap 'kill $(jobs -p); wait' EXIT\n")
	for _, block := range blocks {
		script.WriteString(block[1])
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run := ownNetwork(ctx, t, script.String())
	run.WaitDelay = time.Second
	run.Dir = dir
	run.Env = append(parts.Environment(), "PATH="+os.Getenv(programFolder)+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := run.CombinedOutput()
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, log := range logs {
			content, _ := os.ReadFile(log)
			out = append(out, "\n"+log+"\n"+string(content)...)
		}
		t.Fatalf("the quick start fails: %v\n%s", err, out)
	}
	for _, want := range []string{
		"would create CorsPolicy shop/storefront\n",
		"created CorsPolicy shop/storefront\nrevision 1\nin force on 3 replicas after ",
		"served by all 3 replicas\n",
		"  + methods: DELETE",
		"updated CorsOriginSet shop/partners",
		"https://two.partner.example may DELETE https://api.shop.example/orders",
		"+  methods: [GET, POST, DELETE]\n",
		"revision 4\nin force on 3 replicas after ",
		"ok: 1 policy, 1 origin set in 2 files",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the quick start does not write %q", want)
		}
	}
	if t.Failed() {
		t.Logf("it writes\n%s", out)
	}
}

// ownNetwork is a shell with a loopback of its own, or with everybody's.
func ownNetwork(ctx context.Context, t *testing.T, script string) *exec.Cmd {
	t.Helper()
	const alone = "ip link set lo up && "
	probe := exec.CommandContext(ctx, "unshare", "--user", "--map-root-user", "--net", "bash", "-c", alone+"true")
	if err := probe.Run(); err != nil {
		t.Logf("the quick start uses the ports of this machine: %v", err)
		return exec.CommandContext(ctx, "bash", "-c", script)
	}
	return exec.CommandContext(ctx, "unshare", "--user", "--map-root-user", "--net", "bash", "-c", alone+"bash -c \"$1\"", "-", script)
}
