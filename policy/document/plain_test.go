package document_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// equalTrees holds the pieces of a stream that are read by hand to what the parser
// makes of them, and returns how many there are, and how many pieces in all.
func equalTrees(t *testing.T, data []byte) (plain, pieces int) {
	t.Helper()
	loads, pieces := document.Loads(data)
	for _, l := range loads {
		if len(l.Problems) > 0 || len(l.Parsed) != 1 {
			t.Fatalf("the parser finds %d documents and %v in\n%q", len(l.Parsed), l.Problems, l.Text)
		}
		if want := withoutComments(l.Parsed[0]); !reflect.DeepEqual(want, l.Plain) {
			t.Fatalf("the trees differ (-parser +hand):\n%s\nof\n%q", cmp.Diff(want, l.Plain), l.Text)
		}
	}
	return len(loads), pieces
}

// withoutComments returns a tree without its comments, which nothing reads.
func withoutComments(n *yaml.Node) *yaml.Node {
	same := *n
	same.HeadComment, same.LineComment, same.FootComment = "", "", ""
	same.Content = nil
	for _, inside := range n.Content {
		same.Content = append(same.Content, withoutComments(inside))
	}
	return &same
}

// plainCases are documents, and whether they are read by hand.
var plainCases = []struct {
	name, data string
	plain      bool
}{
	{"a mapping", "a: b\n", true},
	{"no last break", "a: b", true},
	{"a marker", "---\na: b\n", true},
	{"a marker and a comment", "--- # a\n\na: b\n", true},
	{"nested", "a:\n  b:\n     c: d\n  e: f\ng: h\n", true},
	{"a list", "a:\n  - b\n  - c\nd: e\n", true},
	{"a list that is not indented", "a:\n- b\n- c\nd: e\n", true},
	{"mappings in a list", "a:\n- b: c\n  d:\n  - e\n  - f: g\n    h: i\n-   j: k\n    l: m\nn: o\n", true},
	{"brackets", "a: [b, \"c\", 'd', [e,f], [ ], 1 ]\nb: []\n", true},
	{"braces", "a: {b: c, d: [e], f: {g: \"h\"}, i: { }, j: k l }\nb: {}\n", true},
	{"comments", "# a\n\na: # b #\n  # c ä\n # d\n  - e # f\n# g\n  - \"h\"   #i\n  # j\nk: [l] # m\n# n", true},
	{"words", "a: true\nb: false\nc: 0\nd: 12\ne: 2h30m\nf: /v1/*\ng: https://a.example:8443\nh: https://*.b.example:*\ni: yes\nj: y\nk: nulls\n", true},
	{"signs in a text", "a: b, c [d] {e} (f) \"g\" 'h' i\\j & *k !l %m @n `o | > - ? = ~ ^ $ ; + < q:r ::s\n", true},
	{"spaces", "a:   b   \n\n  \nb:    \n    c:  [  d  ,  e  ]  \n   \n", true},
	{"a key of all signs", "a_b-c.d/e1: f\n", true},
	{"as deep as may be", "a: " + strings.Repeat("[", 15) + strings.Repeat("]", 15) + "\n", true},
	{"deeper", "a: " + strings.Repeat("[", 16) + strings.Repeat("]", 16) + "\n", false},
	{"a long key", strings.Repeat("a", 128) + ": b\n", true},
	{"a longer key", strings.Repeat("a", 129) + ": b\n", false},
	{"twice the same key", "a: b\na: c\n", true},

	{"nothing", "", false},
	{"a text", "a\n", false},
	{"a list alone", "- a\n", false},
	{"an indented document", " a: b\n", false},
	{"json", "{\"a\": \"b\"}\n", false},
	{"windows", "a: b\r\n", false},
	{"old macs", "a: b\rc: d\r", false},
	{"an old break in a comment", "a: b # c\rd: e\n", false},
	{"a tab", "a:\tb\n", false},
	{"a tab behind a text", "a: b\t\n", false},
	{"a tab before a comment", "a: b\t# c\n", false},
	{"beyond ASCII", "a: ä\n", false},
	{"beyond ASCII in quotes", "a: \"ä\"\n", false},
	{"an escape", "a: \"\\n\"\n", false},
	{"a quote in quotes", "a: 'b''c'\n", false},
	{"a quote that is open", "a: 'b\n", false},
	{"a text in lines", "a: b\n  c\n", false},
	{"a text below its key", "a:\n  b\n", false},
	{"a text in lines, in a list", "a:\n  - b\n    c\n", false},
	{"a text in lines, in a list that is not indented", "a:\n- b\n  c\n", false},
	{"quotes in lines", "a: \"b\n  c\"\n", false},
	{"brackets in lines", "a: [b,\n  c]\n", false},
	{"a literal text", "a: |\n  b\n", false},
	{"a folded text", "a: >-\n  b\n", false},
	{"an anchor", "a: &b c\n", false},
	{"an alias", "a: *b\n", false},
	{"a tag", "a: !b c\n", false},
	{"no value", "a:\nb: c\n", false},
	{"no last value", "a: b\nc:\n", false},
	{"no element", "a:\n  -\n  - b\n", false},
	{"a null", "a: null\n", false},
	{"another null", "a: ~\n", false},
	{"a null in a list", "a: [Null]\n", false},
	{"True", "a: True\n", false},
	{"FALSE", "a: FALSE\n", false},
	{"a boolean as a key", "true: a\n", false},
	{"a number as a key", "1: a\n", false},
	{"a quoted key", "\"a\": b\n", false},
	{"a key in brackets", "[a]: b\n", false},
	{"a key with a question mark", "? a\n: b\n", false},
	{"a merge key", "<<: a\n", false},
	{"a list in a list", "a:\n  - - b\n", false},
	{"a pair in brackets", "a: [b: c]\n", false},
	{"a key without a value in braces", "a: {b}\n", false},
	{"a key without a space in braces", "a: {b:c}\n", false},
	{"a key within a value", "a: b: c\n", false},
	{"a colon at the end", "a: b:\n", false},
	{"a colon before a bracket", "a: [b:]\n", false},
	{"a comment right behind quotes", "a: \"b\"#c\n", false},
	{"a number sign in a text", "a: b#c\n", false},
	{"a number sign in brackets", "a: [b #c]\n", false},
	{"text behind quotes", "a: \"b\" c\n", false},
	{"a key behind brackets", "a: [b]c: d\n", false},
	{"text behind brackets", "a: [b] c\n", false},
	{"brackets within a text in brackets", "a: [b[c]]\n", false},
	{"a bracket too few", "a: [b\n", false},
	{"a comma too many", "a: [b,]\n", false},
	{"a comma alone", "a: [,]\n", false},
	{"a leading zero", "a: 01\n", false},
	{"a number with a base", "a: 0x10\n", false},
	{"a number with an exponent", "a: 1e3\n", false},
	{"a fraction", "a: 1.5\n", false},
	{"a fraction of an hour", "a: 1.5h\n", false},
	{"a quote in quotes in brackets", "a: ['b''c']\n", false},
	{"a negative number", "a: -1\n", false},
	{"a long number", "a: 1234567890123456789\n", false},
	{"a date", "a: 2026-01-02\n", false},
	{"less indented than the list", "a:\n    - b\n  - c\n", false},
	{"more indented than the list", "a:\n  - b\n    - c\n", false},
	{"less indented than the mapping", "a:\n    b: c\n  d: e\n", false},
	{"more indented than the mapping", "a: b\n  c: d\n", false},
	{"a list behind a mapping", "a:\n  b: c\n  - d\n", false},
	{"a mapping behind a list", "a:\n  - b\n  c: d\n", false},
	{"a list that is less indented than its key", "a:\n  b:\n- c\n", false},
	{"a marker and more", "--- a: b\n", false},
	{"a long document", "a: b\n#" + strings.Repeat(" ", 64<<10), false},
}

func TestPlainYAML(t *testing.T) {
	t.Parallel()
	for _, tc := range plainCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if plain, _ := equalTrees(t, []byte(tc.data)); (plain > 0) != tc.plain {
				t.Errorf("it is read by hand: %t", plain > 0)
			}
			equalReadings(t, []byte(tc.data))
		})
	}
}

// repository is the root of the repository.
const repository = "../.."

// yamlOfRepository returns the files of the repository that are written in YAML or
// JSON, and what its texts show of YAML.
func yamlOfRepository(tb testing.TB) map[string][]byte {
	tb.Helper()
	found := map[string][]byte{}
	root := os.DirFS(repository)
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), "."), entry.IsDir() && entry.Name() == "node_modules":
			return fs.SkipDir
		}
		ext := filepath.Ext(path)
		if ext != ".yaml" && ext != ".yml" && ext != ".json" && ext != ".md" {
			return nil
		}
		data, err := fs.ReadFile(root, path)
		if err != nil || ext != ".md" {
			found[path] = data
			return err
		}
		for _, block := range strings.Split(string(data), "```yaml\n")[1:] {
			text, _, _ := strings.Cut(block, "```")
			found[fmt.Sprintf("%s, %d", path, len(found))] = []byte(text)
		}
		return nil
	})
	if err != nil || len(found) < 300 {
		tb.Fatalf("%d texts are found: %v", len(found), err)
	}
	return found
}

// TestPlainYAMLOfRepository reads all YAML that there is.
func TestPlainYAMLOfRepository(t *testing.T) {
	t.Parallel()
	plain, pieces := 0, 0
	for name, data := range yamlOfRepository(t) {
		some, all := equalTrees(t, data)
		plain, pieces = plain+some, pieces+all
		equalReadings(t, data)
		if t.Failed() {
			t.Fatalf("of %s", name)
		}
	}
	// Much of it is there for what is wrong with it, or is JSON.
	if t.Logf("%d of %d documents are read by hand", plain, pieces); plain < pieces/2 {
		t.Errorf("%d of %d documents are read by hand", plain, pieces)
	}
}

// TestBatch reads all YAML that there is with the same memory, again and again, and
// looks at the documents when all are read.
func TestBatch(t *testing.T) {
	t.Parallel()
	type reading struct {
		docs     []policy.Document
		problems policy.Problems
	}
	var b document.Batch
	texts, readings := yamlOfRepository(t), map[string]reading{}
	for name, data := range texts {
		docs, problems := b.Read("f", data)
		readings[name] = reading{docs, problems}
	}
	for name, data := range texts {
		want, problems := document.ReadByHand("f", data, 0, false)
		equalReading(t, data, want, readings[name].docs, problems, readings[name].problems)
	}
}

// TestPoliciesArePlainYAML holds what is read by hand to what people write: the
// policies of the demo, and those of the measurements.
func TestPoliciesArePlainYAML(t *testing.T) {
	t.Parallel()
	texts := map[string]string{"benchmark": small(1)[0]}
	for _, file := range glob(t, repository+"/envoy/demo/policies/*.yaml") {
		texts[file] = string(read(t, file))
	}
	const program = repository + "/envoy/bench/scene/policies.go"
	for i, text := range regexp.MustCompile("`apiVersion:[^`]*").FindAllString(string(read(t, program)), -1) {
		texts[fmt.Sprintf("%s, %d", program, i)] = regexp.MustCompile(`%\[\d\][sd]`).ReplaceAllString(text[1:], "a7")
	}
	const fewest = 1 + 6 + 2
	if len(texts) < fewest {
		t.Errorf("%d texts are found, of %d", len(texts), fewest)
	}
	for name, text := range texts {
		if plain, pieces := equalTrees(t, []byte(text)); plain < pieces || pieces == 0 {
			t.Errorf("%s: %d of %d documents are read by hand:\n%s", name, plain, pieces, text)
		}
	}
}

// TestReadTakesPlainYAMLByHand tells by what is allocated, which is far less.
func TestReadTakesPlainYAMLByHand(t *testing.T) { //nolint:paralleltest // counts allocations
	data := []byte(small(1)[0])
	const runs = 10
	allocations := func(read func() ([]policy.Document, policy.Problems)) float64 {
		return testing.AllocsPerRun(runs, func() {
			if docs, problems := read(); len(docs) != 1 {
				t.Fatal(problems)
			}
		})
	}
	hand := allocations(func() ([]policy.Document, policy.Problems) { return document.Read("f", data) })
	parser := allocations(func() ([]policy.Document, policy.Problems) { return document.ReadByHand("f", data, 0, false) })
	if hand > parser/2 {
		t.Errorf("Read allocates %.0f times, and the parser alone %.0f", hand, parser)
	}
}

// FuzzPlain holds reading by hand to the parser, on any stream and on documents made
// of odd lines.
func FuzzPlain(f *testing.F) {
	for _, tc := range plainCases {
		f.Add([]byte(tc.data), uint64(0))
	}
	const longest = 4 << 10 // Beyond that, mutations are slow and no different.
	for _, data := range yamlOfRepository(f) {
		if len(data) < longest {
			f.Add(data, uint64(0))
		}
	}
	for seed := range uint64(64) {
		f.Add([]byte("a: b\n"), seed+1)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		if seed != 0 {
			data = composePlain(rand.New(rand.NewPCG(seed, 0)), data)
		}
		if plain, _ := equalTrees(t, data); plain > 0 {
			equalReadings(t, data)
		}
	})
}

// A composer writes documents that are plain YAML, but for what is odd here and
// there.
type composer struct {
	*rand.Rand
	bytes.Buffer

	odd  int // how many of a thousand choices are odd
	text string
}

// composePlain makes a document of what policies are made of, and of some text.
func composePlain(r *rand.Rand, text []byte) []byte {
	c := composer{Rand: r, odd: r.IntN(4) * 15, text: string(text)}
	if c.some(8) {
		c.WriteString("---" + c.end())
	}
	c.mapping(0, 0)
	return c.Bytes()
}

// some is true in one of so many cases.
func (c *composer) some(of int) bool { return c.IntN(of) == 0 }

// one returns one of some texts, or what is odd.
func (c *composer) one(of ...string) string {
	odd := []string{
		"null", "~", "True", "1e3", "0x1", "1_0", "2026-01-02", "1:30", "-1", ".5", "a: b", "a:", "a#b", "#", "*", "&a", "&a b", "!a", "!!str a", "|", ">-", "%a", "@a", "`a", "?", "? a", ":", ": a", "-", "- a",
		"[a", "a]", "{a", "}", "[a,]", "[a: b]", "{a}", "{a:b}", "[a:]", "[a[b]]", "{\"a\":b}", "'a''b'", "\"a\\tb\"", "\"a\\\"", "\"a\"b", "\"a\": b", "ä", "\ta", "a\tb", "<<", "...", "---", "[-a, ?b]", "[a\n b]", "a\n b", "", " ", "\n", "\r\n", "\r", ",",
		"a # b", "\"a", "\"a\n b\"", "[a] b", "a, b", c.text,
	}
	if c.IntN(1000) < c.odd {
		return odd[c.IntN(len(odd))]
	}
	return of[c.IntN(len(of))]
}

func (c *composer) spaces(n int) string {
	if c.IntN(1000) < c.odd {
		n += c.IntN(4) - 1
	}
	return strings.Repeat(" ", max(n, 0))
}

// end returns the end of a line, and lines that say nothing.
func (c *composer) end() string {
	var b strings.Builder
	b.WriteString(c.one("", "", "", "", "", " ", " # a", "  #") + "\n")
	for c.some(8) {
		b.WriteString(c.spaces(c.IntN(5)) + c.one("", "# a", "# ä #", "#", "# a: b", "#\t- a") + "\n")
	}
	return b.String()
}

func (c *composer) mapping(indent, depth int) {
	for first := true; first || !c.some(3); first = false {
		if !first {
			c.WriteString(c.spaces(indent))
		}
		c.WriteString(c.one("a", "b", "spec", "a.b/c-d_e", "y", "nulls") + ":")
		inside := indent + 1 + c.IntN(3)
		switch kind := c.IntN(9); {
		case depth < 4 && kind < 3:
			c.WriteString(c.end() + c.spaces(inside))
			c.mapping(inside, depth+1)
		case depth < 4 && kind < 5:
			inside-- // A list need not be indented.
			c.WriteString(c.end() + c.spaces(inside))
			c.list(inside, depth+1)
		default:
			c.WriteString(strings.Repeat(" ", 1+c.IntN(6)/5) + c.value(false, depth) + c.end())
		}
	}
}

func (c *composer) list(indent, depth int) {
	for first := true; first || !c.some(3); first = false {
		if !first {
			c.WriteString(c.spaces(indent))
		}
		gap := 1 + c.IntN(6)/5
		c.WriteString(c.one("-", "-", "-", "-") + strings.Repeat(" ", gap))
		if depth < 4 && c.some(3) {
			c.mapping(indent+1+gap, depth+1)
			continue
		}
		c.WriteString(c.value(false, depth) + c.end())
	}
}

// value returns a value that ends on its line, within brackets or not.
func (c *composer) value(within bool, depth int) string {
	if depth < 6 && c.some(4) {
		var items []string
		for !c.some(3) {
			items = append(items, c.value(true, depth+1))
		}
		return c.one("[", "[ ") + strings.Join(items, c.one(",", ", ", " , ")) + c.one("]", " ]")
	}
	if depth < 6 && c.some(6) {
		var items []string
		for !c.some(3) {
			items = append(items, c.one("a", "b")+": "+c.value(true, depth+1))
		}
		return c.one("{", "{ ") + strings.Join(items, c.one(",", ", ")) + c.one("}", " }")
	}
	if !within && c.some(6) {
		return c.one("a, b", "a [b] {c}", "(a)b", "a?b-c", "a \"b\" 'c'", "https://[::1]:80", "a & *b !c %d @e `f | > ? - =")
	}
	return c.one("a", "b c", "https://a.example", "\"https://*.b.example:*\"", "'c: d # e'", "/v1/*", "2h", "10m5s", "1", "0", "120", "true", "false", "yes", "a:b", "\"\"", "''", "a\\b", "a-?&*!|>'\"%@`$^~+=;()<b")
}
