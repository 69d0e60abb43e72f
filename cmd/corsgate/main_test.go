package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// What the machine sets is not a part of any test.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, envPrefix) {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

const goodPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://shop.example]
  originSets: [partners]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  name: partners
spec:
  origins: [https://partner.example]
`

const badPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: bad
spec:
  targets: [{hosts: [other.example]}]
  origins: [https://shop.example/path]
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: worse
spec:
  credentials: yes
`

// guardrail reaches all policies, and lets goodPolicy be.
const guardrail = `apiVersion: corsgate.dev/v1
kind: CorsGuardrail
metadata:
  name: house
spec:
  noPlainHttp: true
`

// breach is what guardrail forbids.
const breach = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: kiosk
  namespace: hall
spec:
  origins: [https://shop.example, http://kiosk.shop.example]
`

// oddPolicy draws a warning.
const oddPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: odd
spec:
  targets: [{hosts: [odd.example]}]
  origins: [https://shop.example, https://shop.example]
`

// daringPolicy makes an exception.
const daringPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: daring
spec:
  targets: [{hosts: [daring.example]}]
  origins: ["http://kiosk.example"]
  credentials: true
  dangerously:
    plainHttpWithCredentials: the kiosks in our shops cannot do TLS
`

// folder makes a folder with some files, given as name and content in turns.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	path := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(path, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// outcome is what a command wrote, and its exit code.
type outcome struct {
	Code     int
	Out, Err string
}

// run runs the program with its arguments. A folder's name becomes DIR in what
// it wrote, and a revision becomes REVISION.
func run(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	code := execute(context.Background(), streams{out: &out, err: &err}, args)
	revision := regexp.MustCompile(`\b[0-9a-f]{12}\b`)
	tidy := func(text string) string {
		if dir != "" {
			text = strings.ReplaceAll(text, dir, "DIR")
		}
		return revision.ReplaceAllString(text, "REVISION")
	}
	return outcome{Code: code, Out: tidy(out.String()), Err: tidy(err.String())}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const (
		badProblems = `DIR/bad.yaml:7:13: spec.origins[0]: "https://shop.example/path" has a path, and an origin ends with its host or port; write "https://shop.example" [origin_path]
DIR/bad.yaml:14:16: spec.credentials: wants true or false, found the text "yes"; write true [wrong_type]
`
		daringException = `DIR/daring.yaml:10:31: exception: policy daring: spec.dangerously.plainHttpWithCredentials: "the kiosks in our shops cannot do TLS"
`
		oddProblem = `DIR/odd.yaml:7:35: warning: spec.origins[1]: "https://shop.example" is listed already, at DIR/odd.yaml:7:13; remove one of them [origin_duplicate]
`
	)
	tests := map[string]struct {
		files []string
		flags []string
		want  outcome
	}{
		"good": {
			[]string{"shop.yaml", goodPolicy},
			nil,
			outcome{0, "ok: 1 policy, 1 origin set in 1 file, revision REVISION\n", ""},
		},
		"a warning": {
			[]string{"shop.yaml", goodPolicy, "odd.yaml", oddPolicy},
			nil,
			outcome{0, oddProblem + "ok: 2 policies, 1 origin set in 2 files, revision REVISION, 1 warning\n", ""},
		},
		"an exception": {
			[]string{"daring.yaml", daringPolicy},
			nil,
			outcome{0, daringException + "ok: 1 policy in 1 file, revision REVISION\n", ""},
		},
		"a warning with --strict": {
			[]string{"odd.yaml", oddPolicy},
			[]string{"--strict"},
			outcome{3, oddProblem + "0 errors, 1 warning in 1 file; --strict takes warnings for errors\n", ""},
		},
		"errors": {
			[]string{"shop.yaml", goodPolicy, "bad.yaml", badPolicy},
			nil,
			outcome{3, badProblems + "2 errors in 2 files\n", ""},
		},
		"a guardrail": {
			[]string{"house.yaml", guardrail, "shop.yaml", goodPolicy},
			nil,
			outcome{0, "DIR/house.yaml:1:1: guardrail: house reaches 1 policy: shop\nok: 1 policy, 1 origin set, 1 guardrail in 2 files, revision REVISION\n", ""},
		},
		"a guardrail of many": {
			[]string{"house.yaml", guardrail, "many.yaml", manyPolicies(7)},
			nil,
			outcome{0, "DIR/house.yaml:1:1: guardrail: house reaches 7 policies: p0, p1, p2, p3, p4 and 2 more\nok: 7 policies, 1 guardrail in 2 files, revision REVISION\n", ""},
		},
		"a guardrail of nobody": {
			[]string{"house.yaml", guardrail + "  namespaces: [hall]\n", "shop.yaml", goodPolicy},
			nil,
			outcome{0, `DIR/house.yaml:4:9: warning: metadata.name: no policy is in the reach of the guardrail "house"; check its namespaces and hosts, or remove it [guardrail_unused]
DIR/house.yaml:1:1: guardrail: house reaches no policy
ok: 1 policy, 1 origin set, 1 guardrail in 2 files, revision REVISION, 1 warning
`, ""},
		},
		"what a guardrail forbids": {
			[]string{"house.yaml", guardrail, "kiosk.yaml", breach},
			nil,
			outcome{3, `DIR/kiosk.yaml:7:35: spec.origins[1]: the guardrail "house" at DIR/house.yaml:6:16 forbids http origins, and "http://kiosk.shop.example" is one; use https [guardrail_plain_http]
1 error in 2 files
`, ""},
		},
		"guardrails alone": {
			[]string{"house.yaml", guardrail},
			nil,
			outcome{0, `DIR/house.yaml:4:9: warning: metadata.name: no policy is in the reach of the guardrail "house"; check its namespaces and hosts, or remove it [guardrail_unused]
DIR/house.yaml:1:1: guardrail: house reaches no policy
ok: 0 policies, 1 guardrail in 1 file, revision REVISION, 1 warning
`, ""},
		},
		"an empty folder": {
			nil, nil,
			outcome{3, "DIR: the folder holds no policy file; put a *.yaml, *.yml or *.json file into it; hidden ones and *_test ones do not count [no_policies]\n1 error in 0 files\n", ""},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, test.files...)
			if diff := cmp.Diff(test.want, run(t, dir, append([]string{"validate", dir}, test.flags...)...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidateJSON(t *testing.T) {
	t.Parallel()
	dir := folder(t, "odd.yaml", oddPolicy)
	want := outcome{0, `{
  "valid": true,
  "revision": "REVISION",
  "policies": 1,
  "originSets": 0,
  "files": 1,
  "errors": 0,
  "warnings": 1,
  "problems": [
    {
      "severity": "warning",
      "code": "origin_duplicate",
      "position": {
        "file": "DIR/odd.yaml",
        "line": 7,
        "column": 35
      },
      "field": "spec.origins[1]",
      "reason": "\"https://shop.example\" is listed already, at DIR/odd.yaml:7:13",
      "mend": "remove one of them"
    }
  ],
  "exceptions": [],
  "guardrails": []
}
`, ""}
	if diff := cmp.Diff(want, run(t, dir, "validate", "-o", "json", dir)); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	invalid := run(t, dir, "validate", "-o", "json", "--strict", dir)
	if invalid.Code != exitInvalid || !strings.Contains(invalid.Out, `"valid": false`) || invalid.Err != "" {
		t.Errorf("with --strict: %+v", invalid)
	}
	dir = folder(t, "shop.yaml", goodPolicy)
	if good := run(t, dir, "validate", "-o", "json", dir); !strings.Contains(good.Out, `"problems": []`) {
		t.Errorf("without problems: %+v", good)
	}
	dir = folder(t, "daring.yaml", daringPolicy)
	exceptions := `"exceptions": [
    {
      "policy": "daring",
      "field": "spec.dangerously.plainHttpWithCredentials",
      "justification": "the kiosks in our shops cannot do TLS",
      "position": {
        "file": "DIR/daring.yaml",
        "line": 10,
        "column": 31
      }
    }
  ],
`
	if daring := run(t, dir, "validate", "-o", "json", dir); !strings.Contains(daring.Out, exceptions) {
		t.Errorf("with an exception: %+v", daring)
	}
	dir = folder(t, "house.yaml", guardrail, "shop.yaml", goodPolicy)
	guardrails := `"guardrails": [
    {
      "name": "house",
      "position": {
        "file": "DIR/house.yaml",
        "line": 1,
        "column": 1
      },
      "policies": [
        "shop"
      ]
    }
  ]
`
	if guarded := run(t, dir, "validate", "-o", "json", dir); !strings.Contains(guarded.Out, guardrails) {
		t.Errorf("with a guardrail: %+v", guarded)
	}
	dir = folder(t, "house.yaml", guardrail, "kiosk.yaml", breach)
	if refused := run(t, dir, "validate", "-o", "json", dir); refused.Code != exitInvalid || !strings.Contains(refused.Out, `"guardrail": "house"`) {
		t.Errorf("with what a guardrail forbids: %+v", refused)
	}
}

// manyPolicies returns policies that are named by routes alone.
func manyPolicies(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: p%d}\nspec: {origins: [https://shop.example]}\n", i)
	}
	return b.String()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"serv":                         "corsgate: there is no command \"serv\"; did you mean \"serve\"?\nRun 'corsgate --help' for how it is used.\n",
		"gte":                          "corsgate: there is no command \"gte\"; did you mean \"get\"?\nRun 'corsgate --help' for how it is used.\n",
		"apply -f x --wait 5s":         "corsgate: apply takes no arguments, and got \"5s\"; write --wait=5s in one word\nRun 'corsgate apply --help' for how it is used.\n",
		"frobnicate":                   "corsgate: there is no command \"frobnicate\"\nRun 'corsgate --help' for how it is used.\n",
		"serve x":                      "corsgate: serve takes no arguments, and got \"x\"\nRun 'corsgate serve --help' for how it is used.\n",
		"serve":                        "corsgate: no policies given; name a file or a folder with --policy PATH, an etcd with --etcd URL, or use a cluster's with --kubernetes\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --polcy x":              "corsgate: there is no flag --polcy; did you mean --policy?\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --what-is-this":         "corsgate: there is no flag --what-is-this; corsgate serve --help lists those that there are\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --no-policy maybe":      "corsgate: invalid argument \"maybe\" for \"--no-policy\" flag: it must be deny or pass\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --drain-delay 5":        "corsgate: invalid argument \"5\" for \"--drain-delay\" flag: it must be a duration with its unit, such as 500ms, 5s or 2m\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --drain-delay -5s":      "corsgate: invalid argument \"-5s\" for \"--drain-delay\" flag: it must be a duration with its unit, such as 500ms, 5s or 2m\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --socket-mode 0888":     "corsgate: invalid argument \"0888\" for \"--socket-mode\" flag: it must be octal digits of permissions, such as \"0660\" (in a file, between quotation marks)\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --policy x --admin 1":   "corsgate: cannot listen on 1: it is not an address; write host:port, as in 127.0.0.1:9191 or [::1]:9191, or unix:///path\nRun 'corsgate serve --help' for how it is used.\n",
		"serve --policy x --tls-key x": "corsgate: cannot set up TLS: a certificate and a key are needed together, and one of them is not named; give both --tls-cert and --tls-key\nRun 'corsgate serve --help' for how it is used.\n",
		"validate":                     "corsgate: no policies given; name a file or a folder, as in: corsgate validate policies/\nRun 'corsgate validate --help' for how it is used.\n",
		"validate -o xml x":            "corsgate: invalid argument \"xml\" for \"-o, --output\" flag: it must be text or json\nRun 'corsgate validate --help' for how it is used.\n",
		"version x":                    "corsgate: version takes no arguments, and got \"x\"\nRun 'corsgate version --help' for how it is used.\n",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(outcome{exitUsage, "", want}, run(t, "", strings.Fields(args)...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "--help", "help", "serve --help", "validate --help", "version --help", "help serve"} {
		got := run(t, "", strings.Fields(args)...)
		if got.Code != exitOK || got.Err != "" || !strings.Contains(got.Out, "Usage:\n  corsgate") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	text := run(t, "", "version")
	if text.Code != exitOK || !strings.HasPrefix(text.Out, "corsgate ") || strings.Count(text.Out, "\n") != 1 {
		t.Errorf("text: %+v", text)
	}
	var facts buildFacts
	if err := json.Unmarshal([]byte(run(t, "", "version", "-o", "json").Out), &facts); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readBuild(), facts); diff != "" || facts.Version == "" || facts.Go == "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := run(t, "", "completion", shell); got.Code != exitOK || !strings.Contains(got.Out, "corsgate") {
			t.Errorf("%s: exit %d", shell, got.Code)
		}
	}
	for args, want := range map[string]string{
		"serve --log-level ": "debug\ninfo\nwarn\nerror\n:4\n",
		"serve --config ":    "yaml\nyml\ntoml\njson\n:8\n",
		"serve --policy ":    ":0\n",
		"validate --output ": "text\njson\n:4\n",
	} {
		words := append([]string{"__complete"}, strings.Split(args, " ")...)
		if got := run(t, "", words...); got.Out != want {
			t.Errorf("%q completes to %q, want %q", args, got.Out, want)
		}
	}
}

func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	busy, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	good, bad, empty := folder(t, "shop.yaml", goodPolicy), folder(t, "bad.yaml", badPolicy), folder(t)
	port := busy.Addr().String()
	tests := map[string]struct {
		dir  string
		args []string
		want outcome
	}{
		"invalid policies": {bad, []string{"--policy", bad}, outcome{exitInvalid, "", `DIR/bad.yaml:7:13: spec.origins[0]: "https://shop.example/path" has a path, and an origin ends with its host or port; write "https://shop.example" [origin_path]
DIR/bad.yaml:14:16: spec.credentials: wants true or false, found the text "yes"; write true [wrong_type]
corsgate: 2 errors; nothing is served
`}},
		"a folder without policies": {empty, []string{"--policy", empty}, outcome{exitInvalid, "", `DIR: the folder holds no policy file; put a *.yaml, *.yml or *.json file into it; hidden ones and *_test ones do not count [no_policies]
corsgate: 1 error; nothing is served
`}},
		"a busy port": {good, []string{"--policy", good, "--listen", port}, outcome{
			exitFailure, "",
			"corsgate: cannot listen on " + port + ": another program is listening there; stop it, or choose another address\n",
		}},
		"a bad TLS file": {good, []string{"--policy", good, "--tls-cert", good + "/none.crt", "--tls-key", good + "/none.key"}, outcome{
			exitFailure, "",
			"corsgate: cannot set up TLS: DIR/none.crt cannot be read (no such file or directory); name a file that this user may read\n",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", ""}, test.args...)
			if name == "a busy port" {
				args = append([]string{"serve", "--admin", ""}, test.args...)
			}
			if diff := cmp.Diff(test.want, run(t, test.dir, args...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}
