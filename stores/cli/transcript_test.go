package cli_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/stores/parts"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// Each transcript is what somebody sees who types its commands, one after the
// other, before a store that is empty at first. What the commands write is
// indented; lines of the standard error begin with "! ", and an exit code other
// than 0 stands in brackets. A first line that begins with #! has further arguments
// for serve; with --policy among them there is no store.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
			t.Parallel()
			replay(t, script)
		})
	}
}

func replay(t *testing.T, script string) {
	t.Helper()
	content, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	args, _ := strings.CutPrefix(first, "#!")
	if args == first {
		args = ""
	}
	shell := newShell(t, strings.Fields(args)...)
	var made strings.Builder
	for line := range strings.Lines(string(content)) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			made.WriteString(line + shell.run(strings.TrimSuffix(command, "\n")))
		} else if line == "\n" || strings.HasPrefix(line, "#") {
			made.WriteString(line)
		}
	}
	if *update {
		if err := os.WriteFile(script, []byte(made.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(content), made.String()); diff != "" && !*update {
		t.Errorf("%s (-want +got); -update writes it anew:\n%s", script, diff)
	}
}

// A shell types commands before one corsgate with an etcd of its own.
type shell struct {
	t      *testing.T
	dir    string
	server *parts.Corsgate
	env    []string
}

func newShell(t *testing.T, args ...string) *shell {
	t.Helper()
	policies, err := filepath.Abs("testdata/policies")
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: t.TempDir()}
	if err := os.CopyFS(filepath.Join(s.dir, "policies"), os.DirFS(policies)); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(args, "--policy") {
		args = append(args, "--etcd", parts.StartEtcd(t))
	}
	s.server = parts.StartCorsgate(t, program(), append(args, "--replica-id", "replica-a",
		"--listen", "unix://"+filepath.Join(t.TempDir(), "check.sock"), "--admin", "127.0.0.1:0")...)
	s.env = append(parts.Environment(), "CORSGATE_SERVER="+s.server.Server(), "TZ=UTC",
		"PATH="+os.Getenv(programFolder)+string(os.PathListSeparator)+os.Getenv("PATH"))
	return s
}

// run types a command, and returns what it shows.
func (s *shell) run(command string) string {
	s.t.Helper()
	var out, errs bytes.Buffer
	bash := exec.CommandContext(s.t.Context(), "bash", "-c", command)
	bash.Dir, bash.Env, bash.Stdout, bash.Stderr = s.dir, s.env, &out, &errs
	err := bash.Run()
	var shown strings.Builder
	for line := range strings.Lines(s.tidy(out.String())) {
		shown.WriteString("  " + line)
	}
	for line := range strings.Lines(s.tidy(errs.String())) {
		shown.WriteString("! " + line)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		shown.WriteString("[exit " + strconv.Itoa(exit.ExitCode()) + "]\n")
	} else if err != nil {
		s.t.Fatalf("%s: %v", command, err)
	}
	return shown.String()
}

// tidy takes out of an output what is another one each time.
func (s *shell) tidy(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\b\d\d:\d\d:\d\d\b`, "TIME"},
		{`\b\d+[smh] ago`, "AGO"},
		{`\b[0-9a-f]{12}\b`, "SET"},
		{`after [0-9.]+(ms|s)`, "after WHILE"},
		{`(\S) {2,}`, "$1  "},
		{`etcd://127\.0\.0\.1:\d+`, "etcd://ETCD"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	text = strings.ReplaceAll(text, s.server.Server(), "http://SERVER")
	text = strings.ReplaceAll(text, s.server.Admin, "SERVER")
	return strings.ReplaceAll(text, s.dir+"/", "")
}
