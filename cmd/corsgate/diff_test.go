package main

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/diff"
)

var updateDiff = flag.Bool("update-diff", false, "write the golden files of diff anew")

// Each output stands as a golden file, and the one for terminals in docs/diff.md
// as well.
func TestDiffOutputs(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"text": "report.txt", "json": "report.json", "markdown": "report.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, "", "diff", "-o", name, "testdata/diff/old", "testdata/diff/new")
			got.Out = strings.ReplaceAll(got.Out, "testdata/diff/", "")
			file := "testdata/diff/" + file
			if *updateDiff {
				if err := os.WriteFile(file, []byte(got.Out), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := outcome{exitGated, read(t, file), "corsgate: the change does not pass: 4 risks to look at\n"}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("outcome (-want +got):\n%s", d)
			}
			if name == "text" && !strings.Contains(read(t, "../../docs/diff.md"), "```text\n"+got.Out+"```") {
				t.Errorf("docs/diff.md does not show this report:\n%s", got.Out)
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return string(data)
}

const (
	twoOrigins = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://a.example, https://b.example]
`
	// threeOrigins allows one more.
	threeOrigins = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://a.example, https://b.example, https://c.example]
`
	// reordered means the same as twoOrigins.
	reordered = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  origins: [https://b.example, https://a.example]
  targets: [{hosts: [api.example]}]
`
	// withDelete is a risk.
	withDelete = twoOrigins + "  methods: [GET, HEAD, POST, DELETE]\n"
	// cached remembers preflights.
	cached = twoOrigins + "  preflightStatus: 200\n"
)

func TestDiffGates(t *testing.T) {
	t.Parallel()
	type codes struct{ None, Risk, Widening, Change int }
	for name, test := range map[string]struct {
		before, after string
		want          codes
	}{
		"nothing":          {twoOrigins, twoOrigins, codes{}},
		"another order":    {twoOrigins, reordered, codes{}},
		"other words":      {twoOrigins, cached, codes{0, 0, 0, 5}},
		"a loss":           {threeOrigins, twoOrigins, codes{0, 0, 0, 5}},
		"a gain":           {twoOrigins, threeOrigins, codes{0, 0, 5, 5}},
		"a risk":           {twoOrigins, withDelete, codes{0, 5, 5, 5}},
		"a new and odd":    {twoOrigins, oddPolicy + "---\n" + twoOrigins, codes{0, 0, 5, 5}},
		"a guardrail more": {twoOrigins, twoOrigins + "---\n" + guardrail, codes{}},
		"a guardrail gone": {twoOrigins + "---\n" + guardrail, twoOrigins, codes{0, 5, 0, 0}},
		"one that bars":    {breach, breach + "---\n" + guardrail, codes{0, 0, 0, 5}},
		"one that barred":  {breach + "---\n" + guardrail, breach, codes{0, 5, 5, 5}},
		"invalid":          {twoOrigins, badPolicy, codes{3, 3, 3, 3}},
		"invalid, and old": {badPolicy, twoOrigins, codes{3, 3, 3, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := folder(t, "a.yaml", test.before), folder(t, "a.yaml", test.after)
			code := func(failOn string) int { return run(t, "", "diff", "--fail-on", failOn, before, after).Code }
			got := codes{code("none"), code("risk"), code("widening"), code("change")}
			if got != test.want {
				t.Errorf("exit codes are %+v, want %+v", got, test.want)
			}
			if code := run(t, "", "diff", before, after).Code; code != got.Risk {
				t.Errorf("exit code without --fail-on is %d, want that for risks, %d", code, got.Risk)
			}
		})
	}
}

func TestDiffAccepts(t *testing.T) {
	t.Parallel()
	before, after := folder(t, "a.yaml", twoOrigins), folder(t, "a.yaml", withDelete+"  credentials: true\n")
	for flags, want := range map[string]int{
		"":                                  exitGated,
		"unsafe_method":                     exitGated,
		"unsafe_method,credentials_allowed": exitOK,
	} {
		if got := run(t, "", "diff", "--accept", flags, before, after).Code; got != want {
			t.Errorf("exit code with --accept %q is %d, want %d", flags, got, want)
		}
	}
}

func TestDiffInvalid(t *testing.T) {
	t.Parallel()
	dir := folder(t, "old.yaml", badPolicy, "new.yaml", strings.ReplaceAll(badPolicy, "yes", "no"))
	want := outcome{exitInvalid, "", `DIR/old.yaml:7:13: spec.origins[0]: "https://shop.example/path" has a path, and an origin ends with its host or port; write "https://shop.example" [origin_path]
DIR/old.yaml:14:16: spec.credentials: wants true or false, found the text "yes"; write true [wrong_type]
DIR/new.yaml:7:13: spec.origins[0]: "https://shop.example/path" has a path, and an origin ends with its host or port; write "https://shop.example" [origin_path]
DIR/new.yaml:14:16: spec.credentials: wants true or false, found the text "no"; write false [wrong_type]
`}
	if d := cmp.Diff(want, run(t, dir, "diff", dir+"/old.yaml", dir+"/new.yaml")); d != "" {
		t.Errorf("outcome (-want +got):\n%s", d)
	}
}

func TestDiffExamples(t *testing.T) {
	t.Parallel()
	before, after := folder(t, "a.yaml", twoOrigins), folder(t, "a.yaml", strings.ReplaceAll(twoOrigins, "https://b.example", "https://c.example, https://d.example"))
	for flag, want := range map[string]int{"1": 1, "2": 2, "-1": 2} {
		var report diff.Report
		out := run(t, "", "diff", "-o", "json", "--examples", flag, before, after).Out
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("read the report: %v\n%s", err, out)
		}
		if item := report.Changes[0].Items[0]; item.Count != 2 || len(item.Values) != want {
			t.Errorf("with --examples %s the report lists %d of %d, want %d of 2", flag, len(item.Values), item.Count, want)
		}
	}
}

func TestDiffNoPolicy(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer("api.example", "other.example", "name: shop", "name: other").Replace(twoOrigins)
	before, after := folder(t, "a.yaml", twoOrigins, "b.yaml", other), folder(t, "a.yaml", twoOrigins)
	if got := run(t, "", "diff", before, after); got.Code != exitOK || strings.Contains(got.Out, "\n  +") {
		t.Errorf("without --no-policy: %+v", got)
	}
	if got := run(t, "", "diff", "--no-policy", "pass", before, after); got.Code != exitGated || !strings.Contains(got.Out, "guard_removed") {
		t.Errorf("with --no-policy pass: %+v", got)
	}
}

func TestDiffUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"diff":                  "corsgate: diff takes two arguments, and got 0; name the old and the new policies, as in: corsgate diff main/policies policies\n",
		"diff a":                "corsgate: diff takes two arguments, and got 1; name the old and the new policies, as in: corsgate diff main/policies policies\n",
		"diff --fail-on x a b":  "corsgate: invalid argument \"x\" for \"--fail-on\" flag: it must be none, change, widening or risk\n",
		"diff --examples 0 a b": "corsgate: --examples is 0; it must be 1 or more, or -1 for all\n",
		"diff --accept danger a b": "corsgate: --accept: there is no risk \"danger\"; known are any_origin, credentials_allowed, exception_added, guard_removed, disallowed_passes, " +
			"enforcement_weakened, null_origin, wildcard_widened, plain_http_origin, origin_regex, exclusion_removed, navigations_pass, any_method, " +
			"any_request_header, any_exposed_header, unsafe_method, authorization_allowed, private_network\n",
	} {
		want := outcome{exitUsage, "", want + "Run 'corsgate diff --help' for how it is used.\n"}
		if d := cmp.Diff(want, run(t, "", strings.Fields(args)...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", args, d)
		}
	}
}

// Every kind of risk and every aspect stands in docs/diff.md.
func TestDiffIsDocumented(t *testing.T) {
	t.Parallel()
	doc := read(t, "../../docs/diff.md")
	kinds := diff.RiskKinds()
	for i := range kinds {
		row := "| `" + string(kinds[i].Code) + "` | " + string(kinds[i].Severity) + " |"
		if !strings.Contains(doc, row) {
			t.Errorf("docs/diff.md has no row %q", row)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `[a-z_]+` \\| (high|medium) \\|").FindAllString(doc, -1)
	if len(rows) != len(kinds) {
		t.Errorf("docs/diff.md has %d rows of risks, want %d", len(rows), len(kinds))
	}
}
