package policy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// A world is documents that change, and the sets that they make: one after another
// with what was compiled before, and each anew.
type world struct {
	t       *rapid.T
	docs    map[string]policy.Document // by file
	texts   map[string]string
	options policy.Options
	last    *policy.Set
	good    int
	// lastDocs and lastTexts are what the last set was made of.
	lastDocs  map[string]policy.Document
	lastTexts map[string]string
}

// What Compile makes with an earlier set at hand is what it makes without.
func TestCompileWithPrevious(t *testing.T) {
	t.Parallel()
	good, steps := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, docs: map[string]policy.Document{}, texts: map[string]string{},
			lastDocs: map[string]policy.Document{}, lastTexts: map[string]string{},
			options: policy.Options{Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Breaches: policy.BreachesBarred},
		}
		for range rapid.IntRange(2, 12).Draw(t, "documents at first") {
			w.put()
		}
		w.compare()
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			w.change()
			w.compare()
			steps++
		}
		good += w.good
	})
	// Errors are well, but most sets should be some that are taken over from.
	if good*3 < steps {
		t.Errorf("only %d sets of %d were good", good, steps)
	}
}

// change does one of the things that happen to documents.
func (w *world) change() {
	switch rapid.IntRange(0, 10).Draw(w.t, "kind of change") {
	case 0, 1, 2, 3:
		w.put()
	case 4:
		if file := w.any(); file != "" {
			delete(w.docs, file)
			delete(w.texts, file)
		}
	case 5: // the same at another place
		if file := w.any(); file != "" {
			w.read(file, "\n"+w.texts[file])
		}
	case 6: // the same message in another file
		file, to := w.any(), rapid.SampledFrom(files).Draw(w.t, "to")+".moved"
		if doc, ok := w.docs[file]; ok && to != file {
			delete(w.docs, file)
			w.texts[to] = w.texts[file]
			delete(w.texts, file)
			doc.File = to
			w.docs[to] = doc
		}
	case 7: // the same, read again
		if file := w.any(); file != "" {
			w.read(file, w.texts[file])
		}
	case 8:
		w.options.Now = w.options.Now.AddDate(0, 0, rapid.IntRange(0, 3).Draw(w.t, "days"))
	case 9:
		w.options.NoPolicy = policy.Disposition(rapid.IntRange(0, 1).Draw(w.t, "no policy"))
	default:
		w.options.Breaches = policy.Breaches(rapid.IntRange(0, 1).Draw(w.t, "breaches"))
	}
}

// any returns a file that is there, or none.
func (w *world) any() string {
	if len(w.docs) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(w.docs))).Draw(w.t, "file")
}

var (
	files   = []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	hosts   = []string{"api.example", "*.api.example", `"*"`, "b.example", "c.example", "d.example", "a.api.example:8443"}
	paths   = []string{"/v1/*", "/v1", "/v1/a/*", "/v2/*", "/*"}
	origins = []string{
		"https://shop.example", "https://*.shop.example", "https://pr-*.shop.example", "http://plain.example", `"null"`, "https://shop.example:*",
		"https://a.shop.example", "https://other.example", "https://evil.example",
	}
	setNames = []string{"one", "two", "x/one", "/two"}
)

// put writes a document, new or in place of another.
func (w *world) put() {
	file := rapid.SampledFrom(files).Draw(w.t, "file")
	kind := rapid.SampledFrom([]string{"CorsPolicy", "CorsPolicy", "CorsPolicy", "CorsOriginSet", "CorsOriginSet", "CorsGuardrail"}).Draw(w.t, "kind")
	name, namespace := file, rapid.SampledFrom([]string{"", "", "x"}).Draw(w.t, "namespace")
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: corsgate.dev/v1\nkind: %s\nmetadata:\n", kind)
	if kind == "CorsOriginSet" {
		name = rapid.SampledFrom([]string{"one", "two"}).Draw(w.t, "set")
	}
	if rapid.IntRange(0, 19).Draw(w.t, "twin") == 0 {
		name = "a"
	}
	fmt.Fprintf(&text, "  name: %s\n", name)
	if namespace != "" && kind != "CorsGuardrail" {
		fmt.Fprintf(&text, "  namespace: %s\n", namespace)
	}
	text.WriteString("spec:\n")
	switch kind {
	case "CorsOriginSet":
		w.list(&text, "origins", origins, 1, 4)
	case "CorsGuardrail":
		w.guardrail(&text)
	default:
		w.policy(&text)
	}
	w.read(file, text.String())
}

func (w *world) list(text *strings.Builder, field string, of []string, least, most int) {
	entries := rapid.SliceOfN(rapid.SampledFrom(of), least, most).Draw(w.t, field)
	if len(entries) > 0 {
		fmt.Fprintf(text, "  %s: [%s]\n", field, strings.Join(entries, ", "))
	}
}

func (w *world) guardrail(text *strings.Builder) {
	text.WriteString("  forbiddenMethods: [DELETE]\n")
	w.list(text, "namespaces", []string{"x"}, 0, 1)
	w.list(text, "originSuffixes", []string{"shop.example"}, 0, 1)
	w.list(text, "forbiddenOrigins", []string{"https://evil.example"}, 0, 1)
	if rapid.Bool().Draw(w.t, "hosts") {
		w.list(text, "hosts", []string{"b.example", `"*.api.example"`}, 1, 1)
	}
}

func (w *world) policy(text *strings.Builder) {
	text.WriteString("  targets:\n")
	for range rapid.IntRange(1, 2).Draw(w.t, "targets") {
		fmt.Fprintf(text, "    - hosts: [%q]\n", strings.Trim(rapid.SampledFrom(hosts).Draw(w.t, "host"), `"`))
		if chosen := rapid.SliceOfN(rapid.SampledFrom(paths), 0, 3).Draw(w.t, "paths"); len(chosen) > 0 {
			fmt.Fprintf(text, "      paths: [%s]\n", strings.Join(chosen, ", "))
		}
	}
	w.list(text, "origins", origins, 1, 3)
	w.list(text, "excludeOrigins", origins, 0, 1)
	if rapid.IntRange(0, 2).Draw(w.t, "sets") == 0 {
		w.list(text, "originSets", setNames, 1, 2)
	}
	w.list(text, "methods", []string{"GET", "PUT", "DELETE"}, 0, 2)
	w.list(text, "requestHeaders", []string{"X-One", "X-Two", "Accept"}, 0, 2)
	if rapid.IntRange(0, 3).Draw(w.t, "temporary") == 0 {
		day := rapid.IntRange(1, 8).Draw(w.t, "until")
		fmt.Fprintf(text, "  temporaryOrigins: [{origin: \"https://fair.example\", until: \"2030-01-%02d\"}]\n", day)
	}
	if rapid.IntRange(0, 3).Draw(w.t, "exception") == 0 {
		text.WriteString("  credentials: true\n  dangerously: {plainHttpWithCredentials: because it must be so, anyOriginWithCredentials: because it must be so}\n")
	}
	w.list(text, "maxAge", []string{"3h", "1h"}, 0, 0)
	if rapid.IntRange(0, 3).Draw(w.t, "age") == 0 {
		text.WriteString("  maxAge: 3h\n")
	}
}

func (w *world) read(file, text string) {
	docs, problems := document.Read(file, []byte(text))
	if len(docs) != 1 || len(problems) > 0 {
		w.t.Fatalf("%v in\n%s", problems, text)
	}
	w.docs[file], w.texts[file] = docs[0], text
}

// compare compiles the documents in both ways.
func (w *world) compare() {
	var docs []policy.Document
	for _, file := range rapid.Permutation(slices.Sorted(maps.Keys(w.docs))).Draw(w.t, "order") {
		docs = append(docs, w.docs[file])
	}
	anew, want := policy.Compile(slices.Clone(docs), w.options)
	options := w.options
	options.Previous = w.last
	set, got := policy.Compile(docs, options)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Fatalf("problems (-without +with an earlier set):\n%s", diff)
	}
	if (set == nil) != (anew == nil) {
		w.t.Fatalf("a set is made with an earlier one (%v), or without (%v)", set != nil, anew != nil)
	}
	if set == nil {
		if rapid.IntRange(0, 3).Draw(w.t, "undo") > 0 {
			w.docs, w.texts = maps.Clone(w.lastDocs), maps.Clone(w.lastTexts)
		}
		return
	}
	before := ""
	if w.last != nil {
		before = outline(w.last)
	}
	if diff := cmp.Diff(outline(anew), outline(set)); diff != "" {
		w.t.Fatalf("sets (-without +with an earlier one):\n%s", diff)
	}
	if w.last != nil && outline(w.last) != before {
		w.t.Fatal("the earlier set was changed")
	}
	checkNumbers(w.t, set)
	w.last, w.lastDocs, w.lastTexts = set, maps.Clone(w.docs), maps.Clone(w.texts)
	w.good++
}

// outline says all that can be seen of a set.
func outline(set *policy.Set) string {
	var b strings.Builder
	fmt.Fprintln(&b, set.Revision(), set.OriginSets(), set.Expires())
	for _, exception := range set.Exceptions() {
		fmt.Fprintf(&b, "%+v\n", exception)
	}
	for _, g := range set.Guardrails() {
		fmt.Fprint(&b, "guardrail ", g.Name, " ", g.Position)
		for _, p := range g.Reach() {
			fmt.Fprint(&b, " ", p.Name)
		}
		fmt.Fprintln(&b)
	}
	for _, p := range set.Policies() {
		fmt.Fprintln(&b, "policy", p.Name, p.Namespace, p.Position, p.Enforcement, p.Barred(), p.Breaches().Error(), p.TargetKeys(), p.Spec())
	}
	for _, r := range requests(set) {
		d := set.Decide(&r)
		rule, _ := d.Rule()
		fmt.Fprintf(&b, "%+v: %s %s %s %s %d %q %+v", r, d.Verdict, d.Reason, d.Kind, d.Action, d.Status(), d.Body(), rule)
		if d.Policy != nil {
			fmt.Fprintf(&b, " by %s at %s", d.Policy.Name, d.Policy.Position)
		}
		if answer := d.Answer(); answer != nil {
			for i := range answer.Fields {
				fmt.Fprintf(&b, "\n\t%s: %s", answer.Fields[i].Name, d.AppendValue(nil, &answer.Fields[i]))
			}
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// requests are some that the documents here treat differently.
func requests(set *policy.Set) []policy.Request {
	var all []policy.Request
	for _, host := range []string{"api.example", "a.api.example", "a.api.example:8443", "b.example", "c.example", "none.example"} {
		for _, path := range []string{"/", "/v1", "/v1/a/b", "/v2/x"} {
			for _, origin := range []string{"", "https://shop.example", "https://pr-1.shop.example", "http://plain.example", "https://fair.example", "https://evil.example", "null"} {
				all = append(all, policy.Request{Method: "PUT", Scheme: "https", Host: host, Path: path, Origin: origin})
			}
		}
		all = append(all, policy.Request{Method: "OPTIONS", Scheme: "https", Host: host, Path: "/v1", Origin: "https://shop.example", RequestMethod: "PUT", RequestHeaders: "x-one"})
	}
	for _, p := range set.Policies() {
		all = append(all, policy.Request{Method: "DELETE", Scheme: "https", Host: "x.example", Path: "/", Origin: "https://shop.example", PolicyName: p.Name})
	}
	return append(all, policy.Request{Method: "GET", Host: "x.example", Origin: "https://shop.example", PolicyName: "gone"})
}

// checkNumbers holds the numbers of policies and answers against what they promise.
func checkNumbers(t *rapid.T, set *policy.Set) {
	indexes := map[int]string{}
	for _, p := range set.Policies() {
		if other, ok := indexes[p.Index()]; ok || p.Index() < 0 || p.Index() >= set.Indexes() {
			t.Fatalf("%s has the index %d of %d, as %q", p.Name, p.Index(), set.Indexes(), other)
		}
		indexes[p.Index()] = p.Name
	}
	answers := map[int]*policy.Answer{}
	for _, r := range requests(set) {
		d := set.Decide(&r)
		answer := d.Answer()
		if answer == nil {
			continue
		}
		if other, ok := answers[answer.ID]; ok && other != answer || answer.ID < 0 || answer.ID >= set.Answers() {
			t.Fatalf("two answers have the number %d of %d", answer.ID, set.Answers())
		}
		answers[answer.ID] = answer
	}
}
