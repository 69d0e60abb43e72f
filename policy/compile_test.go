package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each file of testdata/bad has one fault; its golden text stands beside it.
func TestBadPolicies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("find the fixtures: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			set, problems := compileFile(t, file)
			if warning := strings.HasSuffix(file, "_warning.yaml"); (set == nil) == warning {
				t.Errorf("set is %v, problems are\n%v", set, problems)
			}
			checkGolden(t, strings.TrimSuffix(file, ".yaml")+".txt", problems.Error()+"\n")
		})
	}
}

func compileFile(t *testing.T, file string) (*policy.Set, policy.Problems) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read the fixture: %v", err)
	}
	docs, problems := document.Read(filepath.Base(file), data)
	if len(problems) > 0 {
		t.Fatalf("the reader refuses the fixture before it is compiled: %v", problems)
	}
	return policy.Compile(docs, policy.Options{Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)})
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatalf("write the golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read the golden file (make it with -update): %v", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// A refusal without a fixture is one that nobody has read.
func TestEveryFaultHasAFixture(t *testing.T) {
	t.Parallel()
	golden := readAll(t, "testdata/bad/*.txt")
	codes := regexp.MustCompile(`&fault\{\s*"([a-z_]+)"`).FindAllStringSubmatch(readAll(t, "*.go"), -1)
	if len(codes) < 40 {
		t.Fatalf("found only %d faults in the source", len(codes))
	}
	for _, code := range codes {
		if !strings.Contains(golden, "["+code[1]+"]") {
			t.Errorf("no fixture shows %q", code[1])
		}
	}
}

func readAll(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatalf("find %s: %v", pattern, err)
	}
	var b strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		b.Write(data)
	}
	return b.String()
}

// All problems of all documents are reported at once, in the order in which they
// stand.
func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	docs, problems := document.Read("all.yaml", []byte(onePolicy(`
origins: [shop.example, https://b.example/]
methods: [get]
maxAge: forever
`)))
	if len(problems) > 0 {
		t.Fatalf("read: %v", problems)
	}
	_, problems = policy.Compile(docs, policy.Options{})
	var got []string
	for _, p := range problems {
		got = append(got, p.Position.String()+" "+p.Code)
	}
	want := []string{"all.yaml:6:13 origin_scheme", "all.yaml:6:27 origin_path", "all.yaml:7:13 method_case", "all.yaml:8:11 max_age_invalid"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// No reader leaves a spec out, but a snapshot file may have been tampered with.
func TestNoSpec(t *testing.T) {
	t.Parallel()
	metadata := &corsgatev1.Metadata{Name: "p"}
	for _, message := range []proto.Message{
		&corsgatev1.CorsPolicy{Metadata: metadata}, &corsgatev1.CorsOriginSet{Metadata: metadata}, &corsgatev1.CorsGuardrail{Metadata: metadata},
	} {
		if set, problems := policy.Compile([]policy.Document{{Message: message}}, policy.Options{}); set != nil || len(problems.Errors()) == 0 {
			t.Errorf("%T without a spec makes a set, with the problems %v", message, problems)
		}
	}
}

// Neither the order of the documents nor how they are spread over files matters.
func TestRevision(t *testing.T) {
	t.Parallel()
	one := "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: a}\nspec: {origins: [https://a.example]}\n"
	two := strings.ReplaceAll(one, "name: a", "name: b")
	forth, back := compile(t, one+"---\n"+two, policy.Options{}), compile(t, two+"---\n"+one, policy.Options{})
	if forth.Revision() != back.Revision() || len(forth.Revision()) != 12 {
		t.Errorf("revisions %q and %q", forth.Revision(), back.Revision())
	}
	other := compile(t, one+"---\n"+strings.ReplaceAll(two, "a.example", "b.example"), policy.Options{})
	if other.Revision() == forth.Revision() {
		t.Errorf("another content has the same revision %q", other.Revision())
	}
}

func TestExceptionsAndExpiry(t *testing.T) {
	t.Parallel()
	text := onePolicy("origins: [http://a.example]\ncredentials: true\ntemporaryOrigins: [{origin: https://b.example, until: \"2027-02-01\"}, {origin: https://c.example, until: \"2027-01-31\"}]\n" +
		"dangerously: {plainHttpWithCredentials: the machines in the hall know no TLS}")
	before := compile(t, text, policy.Options{Now: time.Date(2027, 1, 30, 0, 0, 0, 0, time.UTC)})
	after := compile(t, text, policy.Options{Now: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)})
	want := []policy.Exception{{
		Policy: "p", Field: "spec.dangerously.plainHttpWithCredentials", Justification: "the machines in the hall know no TLS",
		Position: policy.Position{File: "test.yaml", Line: 9, Column: 43},
	}}
	if diff := cmp.Diff(want, before.Exceptions()); diff != "" {
		t.Errorf("exceptions (-want +got):\n%s", diff)
	}
	for set, want := range map[*policy.Set]string{before: "2027-01-31", after: "2027-02-01"} {
		if got := set.Expires().Format(time.DateOnly); got != want {
			t.Errorf("the set expires on %s, want %s", got, want)
		}
	}
	if before.Revision() == after.Revision() {
		t.Error("the revision does not tell that an origin may no longer call")
	}
}
