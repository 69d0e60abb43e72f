package document_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// few is how few elements are cut out in tests.
const few = 1

// equalReadings holds a stream that is read with cuts, with plain YAML read by hand
// or with both to what the parser alone reads: the same documents at the same places,
// and the same problems.
func equalReadings(t *testing.T, data []byte) {
	t.Helper()
	want, wantProblems := document.ReadByHand("f", data, 0, false)
	for _, plain := range []bool{false, true} {
		got, problems := document.ReadByHand("f", data, few, plain)
		equalReading(t, data, want, got, wantProblems, problems)
	}
	got, problems := document.ReadByHand("f", data, 0, true)
	equalReading(t, data, want, got, wantProblems, problems)
}

func equalReading(t *testing.T, data []byte, want, got []policy.Document, wantProblems, problems policy.Problems) {
	t.Helper()
	if diff := cmp.Diff(wantProblems, problems); diff != "" {
		t.Fatalf("the problems differ (-parser +hand):\n%s\nof\n%q", diff, data)
	}
	if len(got) != len(want) {
		t.Fatalf("%d documents by hand, %d by the parser, of\n%q", len(got), len(want), data)
	}
	for i := range got {
		if diff := cmp.Diff(want[i].Message, got[i].Message, protocmp.Transform()); diff != "" {
			t.Fatalf("the documents differ (-parser +hand):\n%s\nof\n%q", diff, data)
		}
		if diff := cmp.Diff(flat(want[i].Root), flat(got[i].Root)); diff != "" {
			t.Fatalf("the places differ (-parser +hand):\n%s\nof\n%q", diff, data)
		}
	}
}

// flat makes places comparable, in whichever way they are kept.
func flat(root *policy.Place) map[string]policy.Mark {
	marks := map[string]policy.Mark{}
	var walk func(at string, p *policy.Place)
	walk = func(at string, p *policy.Place) {
		marks[at] = policy.Mark{Line: p.Line, Column: p.Column}
		for name, field := range p.Fields {
			walk(at+"."+name, field)
		}
		for i := range p.Len() {
			walk(fmt.Sprintf("%s[%d]", at, i), p.Item(i))
		}
	}
	walk("", root)
	return marks
}

const (
	setHead    = "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata:\n  name: a\nspec:\n  origins:\n"
	policyHead = "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: a}\nspec:\n"
	jsonHead   = `{"apiVersion":"corsgate.dev/v1","kind":"CorsOriginSet","metadata":{"name":"a","labels":{"ä":"ö"}},"spec":{"origins":[`
)

// fastCases are streams, and how many stretches of each are cut out in the end.
var fastCases = []struct {
	name, data string
	cuts       int
}{
	{"lines", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example\n", 1},
	{"no last break", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example", 1},
	{"windows", strings.ReplaceAll(setHead+"  - https://a.example\n  - https://b.example\n\n  - https://c.example\n", "\n", "\r\n"), 1},
	{"old macs", strings.ReplaceAll(setHead+"  - https://a.example\n  - https://b.example\n  - https://c.example\n", "\n", "\r"), 0},
	{"quotes", setHead + "  - \"https://a.example\"\n  -  'https://b.example' # why\n  - \"*\"\n  - 'null'\n  - https://c.example:*\n", 1},
	{"comments", setHead + "  # first\n  - https://a.example\n# left\n\n      # right\n  - https://b.example#c # d\n  - https://b.example # d\n  - https://c.example\n  # end\n", 0},
	{"deep", setHead + "      - https://a.example\n      - https://b.example\n      - https://[::1]:*\n      - https://c.example\n", 1},
	{"what follows", policyHead + "  origins:\n  - https://a.example\n  - https://b.example\n  - https://c.example\n  targets:\n  - hosts: [a.example]\n  credentials: true\n", 1},
	{"what is odd in between", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example\n  - ä\n  - >-\n    https://d.example\n  - https://e.example\n  - https://f.example\n  - https://g.example\n", 2},
	{"a text that goes on", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example\n    d\n", 1},
	{"a number", setHead + "  - https://a.example\n  - https://b.example\n  - 1\n  - https://c.example\n", 0},
	{"a key", setHead + "  - https://a.example\n  - https://b.example:\n  - https://c.example\n", 0},
	{"an alias", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example\n  - *d\n", 0},
	{"another list", policyHead + "  origins: [\"*\"]\n  excludeOrigins:\n  - https://a.example\n  - https://b.example\n  - https://c.example\n", 0},
	{"within a text", setHead + "  - https://a.example\n  - |\n    origins:\n    - https://a.example\n    - https://b.example\n    - https://c.example\n", 0},
	{"within a comment", setHead + "  - https://a.example\n# origins:\n  - https://b.example\n  - https://c.example\n  - https://d.example\n", 1},
	{"twice", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example\n  origins:\n  - https://a.example\n  - https://b.example\n  - https://c.example\n", 0},
	{"elsewhere", setHead + "  - https://a.example\norigins:\n- https://a.example\n- https://b.example\n- https://c.example\n", 0},
	{"two documents", setHead + "  - https://a.example\n  - https://b.example\n  - https://c.example\n---\n" + setHead + "  - https://d.example\n  - https://e.example\n  - https://f.example\n", 2},
	{"json", jsonHead + `"https://a.example","https://b.example","https://c.example"]}}`, 0},
	{"json with more", jsonHead + `"https://a.example","https://b.example","https://c.example","https://d.example"]}}`, 1},
	{"json, indented", strings.ReplaceAll(jsonHead, ",", ",\n  ") + "\n    \"https://a.example\",\n    \"https://b.example\",\r\n  \"https://c.example\",\n \"https://d.example\"\n]\n}\n}\n", 1},
	{"json, before others", `{"spec":{"origins": ["https://a.example", "https://b.example", "https://c.example", "ä"]}, "kind":"CorsOriginSet","metadata":{"name":"a"},"apiVersion":"corsgate.dev/v1"}`, 1},
	{"json, with a twin", jsonHead + `"https://a.example","https://b.example",,"https://c.example","https://d.example","https://e.example"]}}`, 0},
	{"flow in lines", setHead[:len(setHead)-1] + " [\"https://a.example\", \"https://b.example\",\n  \"https://c.example\", # c\n  \"https://d.example\"]\n", 1},
	{"dashes in flow", setHead[:len(setHead)-1] + " [\n  - https://a.example\n  - https://b.example\n  - https://c.example\n]\n", 0},
	{"an anchor", strings.Replace(setHead, "origins:", "origins: &a", 1) + "  - https://a.example\n  - https://b.example\n  - https://c.example\n", 0},
}

func TestFastReading(t *testing.T) {
	t.Parallel()
	for _, tc := range fastCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			equalReadings(t, []byte(tc.data))
			if n := document.Cuts([]byte(tc.data), few); n != tc.cuts {
				t.Errorf("%d stretches are read by hand, want %d", n, tc.cuts)
			}
		})
	}
}

// TestFastReadingOfFiles reads all files that other tests read.
func TestFastReadingOfFiles(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", "testdata/good/*.json"} {
		for _, file := range glob(t, pattern) {
			equalReadings(t, read(t, file))
		}
	}
}

// FuzzFastRead holds reading by hand to the parser, on any stream and on lists
// made of odd elements.
func FuzzFastRead(f *testing.F) {
	for _, tc := range fastCases {
		f.Add([]byte(tc.data), uint64(0))
	}
	for seed := range uint64(32) {
		f.Add([]byte(""), seed+1)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		if seed == 0 {
			equalReadings(t, data)
			return
		}
		equalReadings(t, compose(rand.New(rand.NewPCG(seed, 0)), data))
	})
}

// compose makes a stream of what lists of origins are made of, and of some text.
func compose(r *rand.Rand, text []byte) []byte {
	heads := []string{setHead, policyHead + "  origins:\n", policyHead + "  credentials: true\n  origins: # all\n\n", jsonHead, setHead[:len(setHead)-1] + " ["}
	lines := []string{
		"  - https://a.example\n", "  - https://b.example\n", "  - \"https://c.example\"\n", "  - 'https://d.example:*'\n", "  - http://[::1]:80\n",
		"  # c\n", "\n", "   \n", "  - https://e.example # e\n", "# f\n", "  - g\n", "  -  https://h.example  \n", "    more\n", "  - \"*\"\n", "  - null\n",
		"  - https://i.example\r\n", "  - https://j.example:\n", "\t\n", "  - https://k.example\t\n", "  - [l]\n", "   - https://m.example\n", " - https://n.example\n", "  origins:\n",
		"  - https://o.example#o\n", "  - |\n", "  - https://p.example: p\n", "  - &q https://q.example\n", "  - \"https://r.example\" s\n", "  - https://t.example ,\n", "  -\n",
	}
	items := []string{
		`"https://a.example",`, `"https://b.example", `, "\"https://c.example\",\n", `"null",`, " ", "\n", ",", `"https://d.example" ,`, `"d" "e",`, `e,`, `"f\n",`, `'g',`, "\"h\",\r\n", "# i\n", `"j": k,`, "\t", `[`, `]`, `"ä",`, `"https://l.example":`,
	}
	var b bytes.Buffer
	head := heads[r.IntN(len(heads))]
	b.WriteString(head)
	parts, odd := lines, r.IntN(4)
	if strings.HasSuffix(head, "[") {
		parts = items
	}
	for range r.IntN(20) {
		switch {
		case r.IntN(12) < odd:
			b.WriteString(parts[r.IntN(len(parts))])
		case r.IntN(40) == 0:
			b.Write(text)
		default:
			b.WriteString(parts[r.IntN(3)])
		}
	}
	if head == jsonHead {
		b.WriteString(`"https://z.example"]}}`)
	} else if strings.HasSuffix(head, "[") {
		b.WriteString("\"https://z.example\"]\n")
	}
	return b.Bytes()
}

// TestFastReadingIsLinear reads what looks like the beginning of a list again and
// again. Were any of it looked at twice for each, this would take hours.
func TestFastReadingIsLinear(t *testing.T) {
	t.Parallel()
	const n = 300_000
	for name, data := range map[string]string{
		"fields":            strings.Repeat("origins:\n", n),
		"comments":          strings.Repeat("# origins:\n", n),
		"comments of items": "origins:\n  - é\n" + strings.Repeat("    # c\n", n) + "  - é\n",
		"items":             "origins:\n" + strings.Repeat("  - é\n", n),
		"spaces":            strings.Repeat("origins: [ \n", n),
		"blank lines":       "origins:\n" + strings.Repeat("\n", n) + "origins:\n" + strings.Repeat(" \n", n),
		"old breaks":        "origins:\n" + strings.Repeat("\r", n),
	} {
		if cuts := document.Cuts([]byte(data), few); cuts != 0 {
			t.Errorf("%s: %d cuts", name, cuts)
		}
	}
}
