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

// The commands of the quick starts run as they stand, one after the other in one
// shell. Their ports are fixed, so that the shell has a network of its own where the
// system allows that.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	etcd := filepath.Join(os.Getenv(programFolder), "etcd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", etcd, "go.etcd.io/etcd/server/v3").CombinedOutput(); err != nil {
		t.Fatalf("build etcd: %v\n%s", err, out)
	}
	for _, test := range []struct {
		doc    string
		blocks int
		want   []string
	}{
		{"central-store.md", 5, []string{
			"would create CorsPolicy shop/storefront\n",
			"created CorsPolicy shop/storefront\nrevision 1\nin force on 3 replicas after ",
			"served by all 3 replicas\n",
			"  + methods: DELETE",
			"updated CorsOriginSet shop/partners",
			"https://two.partner.example may DELETE https://api.shop.example/orders",
			"+  methods: [GET, POST, DELETE]\n",
			"revision 4\nin force on 3 replicas after ",
			"ok: 1 policy, 1 origin set in 2 files",
		}},
		{"etcd.md", 3, []string{
			"created CorsOriginSet partners, +1 origin\ncreated CorsPolicy storefront\nrevision 1\n",
			"CorsPolicy     storefront",
			"local:127.0.0.1  created CorsOriginSet partners, +1 origin",
			"newest revision 1, made ",
		}},
	} {
		t.Run(test.doc, func(t *testing.T) { // not parallel: the ports may be everybody's
			out := quickStart(t, test.doc, test.blocks)
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("the quick start does not write %q", want)
				}
			}
			if t.Failed() {
				t.Logf("it writes\n%s", out)
			}
		})
	}
}

// quickStart runs the commands of a document's quick start, and returns what they
// write.
func quickStart(t *testing.T, name string, want int) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## Quick start\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != want {
		t.Fatalf("the quick start has %d blocks of commands, want %d", len(blocks), want)
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
	return string(out)
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
