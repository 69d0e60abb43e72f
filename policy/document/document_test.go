package document_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestBad holds each file of testdata/bad, which has one fault, to the errors
// beside it.
func TestBad(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data := read(t, file)
			docs, problems := document.Read(filepath.Base(file), data)
			if len(problems) == 0 {
				t.Fatal("no problem is found")
			}
			// What stands between documents breaks none of them.
			between := []string{"directive", "syntax_after_end"}
			if len(docs) > 0 && !slices.Contains(between, strings.TrimSuffix(filepath.Base(file), ".yaml")) {
				t.Errorf("a broken document is returned: %v", docs[0].Message)
			}
			checkProblems(t, data, problems)
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", problems.Error()+"\n")
		})
	}
}

// TestGood holds what is read from each file of testdata/good, and where it
// stands, to the list beside it.
func TestGood(t *testing.T) {
	t.Parallel()
	for _, file := range slices.Concat(glob(t, "testdata/good/*.yaml"), glob(t, "testdata/good/*.json")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			docs, problems := document.Read(file, read(t, file))
			if len(problems) > 0 {
				t.Fatalf("problems in a good file:\n%v", problems)
			}
			var b strings.Builder
			for _, doc := range docs {
				if doc.File != file {
					t.Errorf("a document of %s says that it is of %s", file, doc.File)
				}
				fmt.Fprintln(&b, "---")
				list(&b, "", protoreflect.ValueOfMessage(doc.Message.ProtoReflect()), doc.Root)
			}
			golden(t, strings.TrimSuffix(file, filepath.Ext(file))+".txt", b.String())
		})
	}
}

// list writes a value and its parts, each with its place.
func list(b *strings.Builder, at string, v protoreflect.Value, p *policy.Place) {
	if p == nil {
		fmt.Fprintf(b, "%s has no place\n", at)
		return
	}
	line := fmt.Sprintf("%d:%d %s", p.Line, p.Column, at)
	switch v := v.Interface().(type) {
	case protoreflect.Message:
		fmt.Fprintln(b, strings.TrimSpace(line))
		fields := v.Descriptor().Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			if place, ok := p.Fields[fd.JSONName()]; ok {
				list(b, at+"."+fd.JSONName(), v.Get(fd), place)
			}
		}
	case protoreflect.List:
		fmt.Fprintln(b, line)
		if p.Len() != v.Len() {
			fmt.Fprintf(b, "%s has %d elements and %d places\n", at, v.Len(), p.Len())
		}
		for i := range min(v.Len(), p.Len()) {
			list(b, fmt.Sprintf("%s[%d]", at, i), v.Get(i), p.Item(i))
		}
	case protoreflect.Map:
		fmt.Fprintln(b, line)
		for _, key := range slices.Sorted(maps.Keys(p.Fields)) {
			list(b, at+"."+key, v.Get(protoreflect.ValueOfString(key).MapKey()), p.Fields[key])
		}
	default:
		fmt.Fprintf(b, "%s = %#v\n", line, v)
	}
}

// TestReadFillsMessage checks what arrives in the message, and its presence. That
// every field does is TestReadEveryField's.
func TestReadFillsMessage(t *testing.T) {
	t.Parallel()
	want := &corsgatev1.CorsPolicy{
		ApiVersion: document.APIVersion,
		Kind:       "CorsPolicy",
		Metadata: &corsgatev1.Metadata{
			Name:        "a.b-c.1",
			Labels:      map[string]string{"app.kubernetes.io/name": "shop", "empty": ""},
			Annotations: map[string]string{},
		},
		Spec: &corsgatev1.CorsPolicySpec{
			Targets: []*corsgatev1.Target{
				{Hosts: []string{"api.shop.example", "*.api.shop.example"}, Paths: []string{"/v1/*"}},
				{Hosts: []string{"cdn.shop.example"}},
			},
			Origins:            []string{"https://shop.example", "https://*.shop.example", "null"},
			OriginSets:         []string{"partners"},
			ExcludeOrigins:     []string{"https://legacy.shop.example"},
			Methods:            []string{"GET", "ON"},
			RequestHeaders:     []string{"Content-Type"},
			Presets:            []string{"grpc-web"},
			ExposeHeaders:      []string{"X-Request-Id"},
			Credentials:        true,
			MaxAge:             "2h",
			PreflightStatus:    new(int32(204)),
			TimingAllowOrigin:  new(false),
			OnDisallowedOrigin: corsgatev1.Disposition_DISPOSITION_PASS,
			Navigations:        corsgatev1.Disposition_DISPOSITION_DENY,
			Enforcement:        corsgatev1.Enforcement_ENFORCEMENT_REPORT_ONLY,
		},
	}
	docs, problems := document.Read("every_field.yaml", read(t, "testdata/good/every_field.yaml"))
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, problems: %v", len(docs), problems)
	}
	if diff := cmp.Diff(want, docs[0].Message, protocmp.Transform()); diff != "" {
		t.Errorf("the message differs (-want +got):\n%s", diff)
	}
}

// TestReadKeepsGoodDocuments checks that a broken document does not take its
// neighbours with it, wherever it breaks.
func TestReadKeepsGoodDocuments(t *testing.T) {
	t.Parallel()
	good := func(name string) string {
		return "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: " + name + "}\nspec: {origins: [https://shop.example]}\n"
	}
	for _, bad := range []string{
		"@not YAML\n", "[open\n", "'open\n", "a: b: c\n", "kind: CorsPolicy\n", "- a\n", "{a: 1}}\n",
		"a: \"\xff\"\n", "a: \x00\n", "%YAML 1.2\n---\n- a\n", "a: *b\n", "a\n... b\n", strings.Repeat("[", 1000) + "\n",
	} {
		t.Run(bad[:min(len(bad), 20)], func(t *testing.T) {
			t.Parallel()
			docs, problems := document.Read("f", []byte(good("before")+"---\n"+bad+"---\n"+good("after")+"...\n"+good("last")))
			var names []string
			for _, doc := range docs {
				names = append(names, doc.Message.(*corsgatev1.CorsOriginSet).GetMetadata().GetName())
			}
			if want := []string{"before", "after", "last"}; !slices.Equal(names, want) {
				t.Errorf("documents %v, want %v", names, want)
			}
			if len(problems) == 0 {
				t.Error("no problem is found")
			}
		})
	}
}

// TestReadEmpty checks that a stream without documents is neither an error nor
// a document.
func TestReadEmpty(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "\n", "# a comment\n", "---\n", "---\n---\n# x\n...\n", "\ufeff", " ", "--- # x"} {
		if docs, problems := document.Read("f", []byte(data)); len(docs) > 0 || len(problems) > 0 {
			t.Errorf("%q: documents %v, problems %v", data, docs, problems)
		}
	}
}

func TestReadTooLarge(t *testing.T) {
	t.Parallel()
	_, problems := document.Read("f", make([]byte, document.MaxSize+1))
	want := "f:1:1: the file has 67108865 bytes, and 67108864 are the limit; split it into several files [too_large]"
	if problems.Error() != want {
		t.Errorf("got %q, want %q", problems.Error(), want)
	}
}

// TestReadTooMany checks that a file of another sort is given up, wherever its
// problems are found.
func TestReadTooMany(t *testing.T) {
	t.Parallel()
	good := "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: a}\nspec: {origins: [https://shop.example]}\n"
	for name, junk := range map[string]string{
		"directives": strings.Repeat("%\n", 2*document.MaxProblems),
		"documents":  strings.Repeat("a\n---\n", 2*document.MaxProblems),
		"syntax":     strings.Repeat("]\n---\n", 2*document.MaxProblems),
		"fields":     strings.TrimSuffix(good, "}\n") + strings.Repeat(", a: b", 2*document.MaxProblems) + "}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, problems := document.Read("f", []byte(good+"---\n"+junk+"---\n"+good))
			if len(problems) != document.MaxProblems+1 || problems[document.MaxProblems].Code != "too_many_problems" {
				t.Errorf("%d problems, the last is %v", len(problems), problems[len(problems)-1])
			}
			if len(docs) > 1 {
				t.Errorf("%d documents, want at most the one before", len(docs))
			}
		})
	}
}

// TestEveryCodeHasAnExample checks that each code of the package is shown by a
// golden file or, where no file can, by a test.
func TestEveryCodeHasAnExample(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{"too_large": true, "too_many_problems": true} // TestReadTooLarge, TestReadTooMany
	for _, file := range glob(t, "testdata/bad/*.txt") {
		for _, m := range regexp.MustCompile(`(?m)\[(\w+)\]$`).FindAllStringSubmatch(string(read(t, file)), -1) {
			shown[m[1]] = true
		}
	}
	codes := regexp.MustCompile(`code\w+\s+= "(\w+)"`).FindAllStringSubmatch(string(read(t, "code.go")), -1)
	if len(codes) == 0 {
		t.Fatal("code.go holds no codes")
	}
	for _, m := range codes {
		if !shown[m[1]] {
			t.Errorf("no file of testdata/bad shows %s", m[1])
		}
		delete(shown, m[1])
	}
	for code := range shown {
		t.Errorf("a golden file shows %s, which code.go does not have", code)
	}
}

// TestReferenceExample checks that the example of the reference can be read,
// and that the engine has nothing to say against it.
func TestReferenceExample(t *testing.T) {
	t.Parallel()
	_, after, ok := bytes.Cut(read(t, "../../docs/policy.md"), []byte("```yaml\n"))
	example, _, closed := bytes.Cut(after, []byte("```"))
	if !ok || !closed {
		t.Fatal("docs/policy.md holds no example")
	}
	docs, problems := document.Read("docs/policy.md", example)
	if len(problems) > 0 {
		t.Fatalf("the example is refused:\n%v", problems)
	}
	if len(docs) != len(document.Kinds()) {
		t.Errorf("the example shows %d documents, want one of each kind, %v", len(docs), document.Kinds())
	}
	if set, problems := policy.Compile(docs, policy.Options{}); set == nil || len(problems) > 0 {
		t.Errorf("the example does not compile:\n%v", problems)
	}
}

// TestReadManyOrigins checks that a large set is read in linear time. The bound
// is a hundred times what it takes.
func TestReadManyOrigins(t *testing.T) {
	t.Parallel()
	const n = 100_000
	data := originSet(n)
	done := make(chan int, 1)
	go func() {
		docs, _ := document.Read("f", data)
		done <- len(docs[0].Message.(*corsgatev1.CorsOriginSet).GetSpec().GetOrigins())
	}()
	select {
	case got := <-done:
		if got != n {
			t.Errorf("%d origins, want %d", got, n)
		}
	case <-time.After(time.Minute):
		t.Fatal("not read within a minute")
	}
}

func BenchmarkRead(b *testing.B) {
	data := originSet(100_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if docs, problems := document.Read("f", data); len(docs) != 1 || len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

func originSet(n int) []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata:\n  name: customers\nspec:\n  origins:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - https://customer-%d.shop.example\n", i)
	}
	return b.Bytes()
}

// checkProblems checks what holds for all problems.
func checkProblems(t *testing.T, data []byte, problems policy.Problems) {
	t.Helper()
	lines := bytes.Count(bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n")), []byte("\n")) + 1
	for _, p := range problems {
		switch {
		case p.Position.Line < 1 || p.Position.Line > lines || p.Position.Column < 1:
			t.Errorf("a problem stands outside of the file's %d lines: %v", lines, p)
		case p.Code == "" || p.Reason == "" || p.Severity != policy.SeverityError:
			t.Errorf("an incomplete problem: %#v", p)
		case strings.ContainsAny(p.Error(), "\n\r\x00\x1b"):
			t.Errorf("a problem is not one line of text: %q", p.Error())
		}
	}
	if !slices.IsSortedFunc(problems, func(a, b policy.Problem) int { return a.Position.Line - b.Position.Line }) {
		t.Error("the problems are not in the order of the file")
	}
}

// golden compares a text with a file, or writes it there.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(read(t, file)), got); diff != "" {
		t.Errorf("differs from %s (-want +got); -update writes it anew:\n%s", file, diff)
	}
}

func glob(tb testing.TB, pattern string) []string {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("no file matches %s: %v", pattern, err)
	}
	return files
}

func read(tb testing.TB, file string) []byte {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
