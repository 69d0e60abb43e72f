package settle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/settle"
)

// day returns a time that documents of an age were created at.
func day(age int) time.Time { return time.Date(2026, 1, 1+age, 0, 0, 0, 0, time.UTC) }

// doc reads a document that stands apart.
func doc(tb testing.TB, age int, kind, name, spec string) policy.Document {
	tb.Helper()
	d := fixed(tb, kind, name, spec)
	d.Created = day(age)
	return d
}

// fixed reads a document that does not.
func fixed(tb testing.TB, kind, name, spec string) policy.Document {
	tb.Helper()
	text := fmt.Sprintf("apiVersion: corsgate.dev/v1\nkind: %s\nmetadata: {name: %s}\nspec: %s\n", kind, name, spec)
	docs, problems := document.Read(kind+"/"+name, []byte(text))
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	docs[0].Root = nil
	return docs[0]
}

func policyOf(tb testing.TB, age int, name, host, rest string) policy.Document {
	tb.Helper()
	return doc(tb, age, "CorsPolicy", name, fmt.Sprintf(`{targets: [{hosts: [%s]}], %s}`, host, rest))
}

// closed returns what stands in for a document.
func closed(tb testing.TB, d policy.Document) policy.Document {
	tb.Helper()
	standIn, ok := settle.Closed(d)
	if !ok {
		tb.Fatal("nothing stands in for it")
	}
	return standIn
}

const (
	shop  = `origins: ["https://shop.example"]`
	other = `origins: ["https://other.example"]`
	// wrong names a set that there is not.
	wrong = `originSets: [missing]`
)

// allowed returns which of two origins may call a host.
func allowed(tb testing.TB, set *policy.Set, host string) string {
	tb.Helper()
	if set == nil {
		tb.Fatal("there is no set")
	}
	var may []string
	for _, origin := range []string{"https://shop.example", "https://other.example"} {
		d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: host, Path: "/", Origin: origin})
		if d.Verdict == policy.VerdictAllow {
			may = append(may, strings.TrimSuffix(strings.TrimPrefix(origin, "https://"), ".example"))
		}
	}
	return strings.Join(may, " ")
}

func TestCompile(t *testing.T) {
	t.Parallel()
	a, b := policyOf(t, 1, "a", "a.example", shop), policyOf(t, 2, "b", "b.example", shop)
	set := doc(t, 1, "CorsOriginSet", "partners", `{origins: ["https://shop.example"]}`)
	user := policyOf(t, 2, "b", "b.example", "originSets: [partners]")
	for _, c := range []struct {
		name      string
		good, now []policy.Document
		// a and b are who may call a.example and b.example.
		a, b string
		// aside are the files that are set aside.
		aside []string
	}{
		{
			name: "all are right",
			now:  []policy.Document{a, b}, a: "shop", b: "shop",
		},
		{
			name: "a change that is wrong leaves the document as it was, and the others come",
			good: []policy.Document{a, b},
			now:  []policy.Document{policyOf(t, 1, "a", "a.example", wrong), policyOf(t, 2, "b", "b.example", other)},
			a:    "shop", b: "other", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "a new document that is wrong lets nobody call",
			good: []policy.Document{b},
			now:  []policy.Document{policyOf(t, 1, "a", "a.example", wrong), b},
			b:    "shop", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "even where a wider policy would",
			now: []policy.Document{
				policyOf(t, 1, "a", "a.example", wrong), policyOf(t, 0, "wide", `"*.example"`, shop),
			},
			b: "shop", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "and a host beside one that is none",
			now: []policy.Document{
				policyOf(t, 1, "a", `a.example, "https://b.example"`, shop), policyOf(t, 0, "wide", `"*.example"`, shop),
			},
			b: "shop", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "and a path beside one that is none",
			now: []policy.Document{
				doc(t, 1, "CorsPolicy", "a", `{targets: [{hosts: [a.example], paths: [/, v1]}], origins: ["https://shop.example"]}`),
				policyOf(t, 0, "wide", `"*.example"`, shop),
			},
			b: "shop", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "and a host beside one that another policy has",
			now: []policy.Document{
				policyOf(t, 2, "c", `a.example, b.example`, shop), policyOf(t, 1, "z", "a.example", other), policyOf(t, 0, "wide", `"*.example"`, shop),
			},
			a: "other", aside: []string{"CorsPolicy/c"},
		},
		{
			name: "and the targets of a later version that is wrong too",
			good: []policy.Document{closed(t, policyOf(t, 1, "a", "a.example", wrong)), policyOf(t, 0, "wide", `"*.example"`, shop)},
			now:  []policy.Document{policyOf(t, 1, "a", "b.example", wrong), policyOf(t, 0, "wide", `"*.example"`, shop)},
			a:    "shop", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "who had a target keeps it, whatever the others are called",
			good: []policy.Document{policyOf(t, 5, "z", "a.example", shop)},
			now:  []policy.Document{policyOf(t, 5, "z", "a.example", other), policyOf(t, 6, "a", "a.example", shop)},
			a:    "other", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "at a start the older one has it",
			now:  []policy.Document{policyOf(t, 6, "a", "a.example", shop), policyOf(t, 5, "z", "a.example", other)},
			a:    "other", aside: []string{"CorsPolicy/a"},
		},
		{
			name: "a set that is still needed stays",
			good: []policy.Document{a, set, user},
			now:  []policy.Document{policyOf(t, 1, "a", "a.example", other), user},
			a:    "other", b: "shop", aside: []string{"CorsOriginSet/partners"},
		},
		{
			name: "a set goes with the policy that needed it",
			good: []policy.Document{a, set, user},
			now:  []policy.Document{a, policyOf(t, 3, "c", "c.example", wrong)},
			a:    "shop", aside: []string{"CorsPolicy/c"},
		},
		{
			name: "a set that would break a policy stays as it was",
			good: []policy.Document{set, policyOf(t, 2, "b", "b.example", "originSets: [partners], credentials: true")},
			now: []policy.Document{
				doc(t, 1, "CorsOriginSet", "partners", `{origins: ["https://other.example", "null"]}`),
				policyOf(t, 2, "b", "b.example", "originSets: [partners], credentials: true"), a,
			},
			a: "shop", b: "shop", aside: []string{"CorsOriginSet/partners"},
		},
		{
			name: "a policy that comes before its set does not need it twice",
			now:  []policy.Document{user, set, policyOf(t, 3, "c", "c.example", wrong)},
			b:    "shop", aside: []string{"CorsPolicy/c"},
		},
		{
			name: "what stands fast counts before what was good",
			good: []policy.Document{policyOf(t, 1, "a", "a.example", shop), b},
			now: []policy.Document{
				policyOf(t, 1, "a", "a.example", shop), b,
				fixed(t, "CorsPolicy", "file", `{targets: [{hosts: [a.example]}], origins: ["https://other.example"]}`),
			},
			a: "other", b: "shop", aside: []string{"CorsPolicy/a"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // the order in which they come does not matter
				got := settle.Compile(c.now, c.good, policy.Options{})
				if a, b := allowed(t, got.Set, "a.example"), allowed(t, got.Set, "b.example"); a != c.a || b != c.b {
					t.Errorf("a.example may be called by %q and b.example by %q, want %q and %q", a, b, c.a, c.b)
				}
				var aside []string
				for _, p := range got.Problems {
					if p.Code == settle.CodeSetAside {
						aside = append(aside, p.Position.File)
					}
				}
				if !slices.Equal(aside, c.aside) || len(got.Problems.Errors()) > 0 {
					t.Errorf("set aside are %v, want %v:\n%v", aside, c.aside, got.Problems)
				}
				// What is in force is good, and leads to the same again.
				again := settle.Compile(c.now, got.Documents, policy.Options{})
				if again.Set == nil || again.Set.Revision() != got.Set.Revision() {
					t.Errorf("compiled again it differs:\n%v", again.Problems)
				}
				slices.Reverse(c.now)
			}
		})
	}
}

func TestCompileRejects(t *testing.T) {
	t.Parallel()
	for name, now := range map[string][]policy.Document{
		"what does not stand apart": {fixed(t, "CorsPolicy", "a", `{targets: [{hosts: [a.example]}], originSets: [missing]}`), policyOf(t, 1, "b", "b.example", shop)},
		"a guardrail that was never right": {
			doc(t, 1, "CorsGuardrail", "house", `{namespaces: [shop]}`), policyOf(t, 1, "b", "b.example", shop),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := settle.Compile(now, nil, policy.Options{}); got.Set != nil || len(got.Problems.Errors()) == 0 {
				t.Errorf("it is in force, with the problems\n%v", got.Problems)
			}
		})
	}
}

// One wrong document among thousands is found in few steps.
func TestCompileMany(t *testing.T) {
	t.Parallel()
	var good, now []policy.Document
	for i := range 2000 {
		p := policyOf(t, i, fmt.Sprintf("p%d", i), fmt.Sprintf("h%d.example", i), shop)
		good, now = append(good, p), append(now, p)
	}
	now[1234] = policyOf(t, 1234, "p1234", "h1234.example", wrong)
	now[17] = policyOf(t, 17, "p17", "h17.example", other)
	for _, before := range [][]policy.Document{good, nil} {
		got := settle.Compile(now, before, policy.Options{})
		if a := allowed(t, got.Set, "h17.example"); a != "other" {
			t.Errorf("h17.example may be called by %q, want other", a)
		}
		want := ""
		if before != nil {
			want = "shop"
		}
		if a := allowed(t, got.Set, "h1234.example"); a != want {
			t.Errorf("h1234.example may be called by %q, want %q", a, want)
		}
	}
}
