package main

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateTest = flag.Bool("update-test", false, "write the golden files of the command test anew")

const shopTests = `apiVersion: corsgate.dev/v1
kind: CorsPolicyTest
metadata: {name: shop}
spec:
  request: {url: "https://api.example/"}
  tests:
  - name: friends
    expect: {verdict: allow}
    rows:
    - {name: own, request: {origin: "https://shop.example"}}
    - {name: partner, request: {origin: "https://partner.example"}}
  - name: strangers
    request: {origin: "https://evil.example"}
    expect: {verdict: deny}
`

// failingTests has a test that passes and one that fails in two ways.
const failingTests = `apiVersion: corsgate.dev/v1
kind: CorsPolicyTest
metadata: {name: failing}
spec:
  tests:
  - name: passes
    request: {url: "https://api.example/", origin: "https://shop.example", preflight: {method: GET}}
    expect: {status: 204}
  - name: fails <&>
    request: {url: "https://api.example/", origin: "https://shop.example"}
    expect: {verdict: deny, headers: {vary: ""}}
`

const failingOutput = `DIR/failing_test.yaml:9:5: FAIL failing/fails <&>
    GET https://api.example/ from https://shop.example
    verdict: expected deny, got allow
    headers.vary: expected none, got Origin
    decided by spec.origins[0], "https://shop.example", of shop at DIR/shop.yaml:7:13
`

func TestTest(t *testing.T) {
	t.Parallel()
	usage := "Run 'corsgate test --help' for how it is used.\n"
	good := []string{"shop.yaml", goodPolicy, "shop_test.yaml", shopTests}
	failing := []string{"shop.yaml", goodPolicy, "failing_test.yaml", failingTests}
	const uncovered = `DIR/shop.yaml:5:1: spec.methods: no test tries a method that is not allowed
DIR/shop.yaml:5:1: spec.requestHeaders: no test tries a request header that is not allowed
`
	tests := map[string]struct {
		files []string
		args  []string // DIR stands for the folder
		want  outcome
	}{
		"all pass": {good, []string{"DIR"}, outcome{0, "3 passed, 0 failed\n", ""}},
		"one fails": {
			failing, []string{"DIR"}, outcome{4, failingOutput + "1 passed, 1 failed\n", ""},
		},
		"verbose": {
			failing,
			[]string{"-v", "DIR"},
			outcome{4, "DIR/failing_test.yaml:6:5: ok failing/passes\n" + failingOutput + "1 passed, 1 failed\n", ""},
		},
		"those that match": {
			failing,
			[]string{"--run", "^failing/passes$", "DIR"},
			outcome{0, "1 passed, 0 failed\n", ""},
		},
		"none matches": {
			good,
			[]string{"--run", "nobody", "DIR"},
			outcome{2, "", "corsgate: --run \"nobody\" matches the name of no test\n" + usage},
		},
		"no regular expression": {
			good,
			[]string{"--run", "(", "DIR"},
			outcome{2, "", "corsgate: --run \"(\" is not a regular expression: error parsing regexp: missing closing ): `(`\n" + usage},
		},
		"no path": {
			nil, nil,
			outcome{2, "", "corsgate: no tests given; name a file or a folder, as in: corsgate test policies/\n" + usage},
		},
		"coverage": {
			good,
			[]string{"--coverage", "DIR"},
			outcome{0, uncovered + "coverage of shop: 71.4%, 5 of 7 parts\ncoverage: 71.4%, 5 of 7 parts\n3 passed, 0 failed\n", ""},
		},
		"too little coverage": {
			good,
			[]string{"--coverage-min", "72", "DIR"},
			outcome{4, uncovered + "coverage of shop: 71.4%, 5 of 7 parts\ncoverage: 71.4%, 5 of 7 parts; 72% are wanted\n3 passed, 0 failed\n", ""},
		},
		"enough coverage": {
			good,
			[]string{"--coverage-min", "71", "DIR"},
			outcome{0, uncovered + "coverage of shop: 71.4%, 5 of 7 parts\ncoverage: 71.4%, 5 of 7 parts\n3 passed, 0 failed\n", ""},
		},
		"no percentage": {
			good,
			[]string{"--coverage-min", "101", "DIR"},
			outcome{2, "", "corsgate: --coverage-min is 101, and it is a percentage: 0 to 100\n" + usage},
		},
		"what a guardrail forbids": {
			append(append([]string{}, good...), "house.yaml", guardrail, "kiosk.yaml", breach),
			[]string{"DIR"},
			outcome{3, `DIR/kiosk.yaml:7:35: spec.origins[1]: the guardrail "house" at DIR/house.yaml:6:16 forbids http origins, and "http://kiosk.shop.example" is one; use https [guardrail_plain_http]
1 error; no test was run
`, ""},
		},
		"no tests": {
			[]string{"shop.yaml", goodPolicy},
			[]string{"DIR"},
			outcome{3, "DIR: there is no test; write one into a file named *_test.yaml; docs/testing.md shows how [tests_missing]\n1 error; no test was run\n", ""},
		},
		"a path that is not there": {
			good,
			[]string{"DIR", "DIR/x"},
			outcome{3, "DIR/x: there is no such file or folder; create it, or name another path [path_missing]\n1 error; no test was run\n", ""},
		},
		"a file without tests": {
			[]string{"shop.yaml", goodPolicy, "a_test.yml", "# later\n"},
			[]string{"DIR"},
			outcome{3, "DIR/a_test.yml: the file holds no test document; write a CorsPolicyTest into it, or remove it [tests_missing]\n1 error; no test was run\n", ""},
		},
		"everything wrong at once": {
			[]string{
				"bad.yaml", badPolicy, "a_test.yaml", strings.Replace(shopTests, "verdict: deny", "verdict: nope", 1),
				"b_test.yaml", strings.Replace(shopTests, "rows", "row", 1),
			},
			[]string{"DIR"},
			outcome{3, `DIR/a_test.yaml:14:23: spec.tests[1].expect.verdict: "nope" is none of the words allow, deny, pass; write one of allow, deny, pass [unknown_word]
DIR/b_test.yaml:9:5: spec.tests[0].row: "row" is not a field of spec.tests[0]; did you mean rows? [unknown_field]
DIR/bad.yaml:7:13: spec.origins[0]: "https://shop.example/path" has a path, and an origin ends with its host or port; write "https://shop.example" [origin_path]
DIR/bad.yaml:14:16: spec.credentials: wants true or false, found the text "yes"; write true [wrong_type]
4 errors; no test was run
`, ""},
		},
		"tests below and hidden ones": {
			[]string{
				"shop.yaml", goodPolicy, "a/b/x_test.json", `{"apiVersion": "corsgate.dev/v1", "kind": "CorsPolicyTest", "metadata": {"name": "x"},
					"spec": {"tests": [{"name": "a", "request": {"url": "https://api.example/"}, "expect": {"verdict": "pass"}}]}}`,
				".hidden_test.yaml", "bad", ".git/x_test.yaml", "bad", "x_test.txt", "bad", "test.txt", "bad",
			},
			[]string{"DIR"},
			outcome{0, "1 passed, 0 failed\n", ""},
		},
		"a test file takes the policies beside it": {
			good, []string{"DIR/shop_test.yaml"}, outcome{0, "3 passed, 0 failed\n", ""},
		},
		"a policy file and a test file": {
			append([]string{"bad.yaml", badPolicy}, good...),
			[]string{"DIR/shop.yaml", "DIR/shop_test.yaml"},
			outcome{0, "3 passed, 0 failed\n", ""},
		},
		"a test file twice": {
			good, []string{"DIR", "DIR/shop_test.yaml"}, outcome{0, "3 passed, 0 failed\n", ""},
		},
		"policies elsewhere": {
			[]string{"policies/shop.yaml", goodPolicy, "tests/shop_test.yaml", shopTests},
			[]string{"--policy", "DIR/policies", "DIR/tests"},
			outcome{0, "3 passed, 0 failed\n", ""},
		},
		"a policy that decides nothing by itself": {
			[]string{"shop.yaml", goodPolicy, "x_test.yaml", `apiVersion: corsgate.dev/v1
kind: CorsPolicyTest
metadata: {name: x}
spec:
  tests:
  - {name: same origin, request: {url: "https://api.example/", origin: "https://api.example"}, expect: {rule: spec.origins}}
  - {name: no policy, request: {url: "https://x.example/", origin: "https://api.example"}, expect: {verdict: deny}}
`},
			[]string{"--no-policy", "pass", "DIR"},
			outcome{4, `DIR/x_test.yaml:6:5: FAIL x/same origin
    GET https://api.example/ from https://api.example
    rule: expected spec.origins, got none
    decided by the policy shop at DIR/shop.yaml:1:1, by no single part of it
DIR/x_test.yaml:7:5: FAIL x/no policy
    GET https://x.example/ from https://api.example
    verdict: expected deny, got pass
    decided by no policy
0 passed, 2 failed
`, ""},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, test.files...)
			args := []string{"test"}
			for _, arg := range test.args {
				args = append(args, strings.Replace(arg, "DIR", dir, 1))
			}
			if diff := cmp.Diff(test.want, run(t, dir, args...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// tree is folder with folders in it.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	path := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		file := filepath.Join(path, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestTestForms holds what programs read to golden files.
func TestTestForms(t *testing.T) {
	t.Parallel()
	failing := []string{"shop.yaml", goodPolicy, "shop_test.yaml", shopTests, "failing_test.yaml", failingTests, "odd.yaml", oddPolicy}
	invalid := []string{"bad.yaml", badPolicy, "shop_test.yaml", shopTests}
	for name, c := range map[string]struct {
		files []string
		args  []string
		code  int
	}{
		"failing.json": {failing, []string{"-o", "json", "--coverage-min", "90", "--run", "failing"}, exitFailed},
		"failing.xml":  {failing, []string{"-o", "junit", "--coverage-min", "90"}, exitFailed},
		"passing.xml":  {failing, []string{"-o", "junit", "--coverage-min", "10", "--run", "shop/"}, exitOK},
		"coverage.xml": {failing, []string{"-o", "junit", "--coverage", "--run", "shop/"}, exitOK},
		"invalid.json": {invalid, []string{"-o", "json"}, exitInvalid},
		"invalid.xml":  {invalid, []string{"-o", "junit"}, exitInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, c.files...)
			got := run(t, dir, append([]string{"test", dir}, c.args...)...)
			if got.Code != c.code || got.Err != "" {
				t.Errorf("code %d, want %d; errors %q", got.Code, c.code, got.Err)
			}
			if filepath.Ext(name) == ".json" && !json.Valid([]byte(got.Out)) {
				t.Error("the output is not JSON")
			}
			if filepath.Ext(name) == ".xml" {
				checkJUnit(t, got.Out)
			}
			compareGolden(t, filepath.Join("testdata", "test", name), got.Out)
		})
	}
}

// checkJUnit checks that the counts are those of what is counted.
func checkJUnit(t *testing.T, text string) {
	t.Helper()
	var all junitSuites
	if err := xml.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("the output is not XML: %v", err)
	}
	var tests, failures, errors int
	for _, suite := range all.Suites {
		var f, e int
		for _, c := range suite.Cases {
			if c.Failure != nil {
				f++
			}
			if c.Error != nil {
				e++
			}
		}
		if suite.Tests != len(suite.Cases) || suite.Failures != f || suite.Errors != e {
			t.Errorf("the suite %s counts %d, %d and %d; it has %d, %d and %d", suite.Name, suite.Tests, suite.Failures, suite.Errors, len(suite.Cases), f, e)
		}
		tests, failures, errors = tests+len(suite.Cases), failures+f, errors+e
	}
	if all.Tests != tests || all.Failures != failures || all.Errors != errors || tests == 0 {
		t.Errorf("the whole counts %d, %d and %d; it has %d, %d and %d", all.Tests, all.Failures, all.Errors, tests, failures, errors)
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *updateTest {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got); -update-test writes it anew:\n%s", path, diff)
	}
}

// TestTestDocs runs the example of docs/testing.md as it is written there.
func TestTestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, ok := strings.Cut(string(page), "\n```"+language+"\n")
		text, after, closed := strings.Cut(rest, "\n```\n")
		if !ok || !closed {
			t.Fatalf("docs/testing.md has too few blocks of %s", language)
		}
		page = []byte("\n" + after)
		return text + "\n"
	}
	policies, tests := block("yaml"), block("yaml")
	command, want, _ := strings.Cut(block("console"), "\n")
	if command != "$ corsgate test --coverage policies/" {
		t.Errorf("the page shows the command %q", command)
	}
	dir := tree(t, "shop.yaml", policies, "shop_test.yaml", tests)
	got := run(t, dir, "test", "--coverage", dir)
	got.Out = strings.ReplaceAll(got.Out, "DIR", "policies")
	if diff := cmp.Diff(outcome{exitFailed, want, ""}, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

// TestDemoPolicies runs the tests of the demo's policies, which leave nothing
// out.
func TestDemoPolicies(t *testing.T) {
	t.Parallel()
	const dir = "../../envoy/demo/policies"
	got := run(t, dir, "test", "--coverage-min", "100", dir)
	if got.Code != exitOK || !strings.HasSuffix(got.Out, "23 passed, 0 failed\n") {
		t.Errorf("exit code %d:\n%s%s", got.Code, got.Out, got.Err)
	}
}
