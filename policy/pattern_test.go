package policy

import (
	"hash/maphash"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern  string
		match    string
		mismatch string
	}{
		{"https://shop.example", "https://shop.example", "http://shop.example https://shop.example:8443 https://a.shop.example https://shop.example. https://shop.exampl"},
		{"http://localhost:3000", "http://localhost:3000", "http://localhost http://localhost:3001 https://localhost:3000"},
		{"http://localhost:*", "http://localhost http://localhost:1 http://localhost:65535", "https://localhost http://localhost.evil.example http://xlocalhost http://a.localhost"},
		{"https://127.0.0.1:*", "https://127.0.0.1 https://127.0.0.1:8443", "https://127.0.0.2 https://a.127.0.0.1"},
		{"https://[2001:db8::1]", "https://[2001:db8::1]", "https://[2001:db8::2] https://[2001:db8::1]:8443"},
		{"https://[::1]:*", "https://[::1] https://[::1]:8443", "http://[::1]"},
		{"app://desktop", "app://desktop", "https://desktop app://desktop:1"},
		{"null", "null", "https://null null.example"},
		{
			"https://*.shop.example", "https://a.shop.example https://a.b.c.shop.example https://a_b.shop.example",
			"https://shop.example https://xshop.example https://a.shop.example:8443 http://a.shop.example https://a.shop.example.evil.example https://a.shop.example.",
		},
		{"https://*.shop.example:*", "https://a.shop.example https://a.shop.example:8443", "https://shop.example:8443"},
		{"https://*.shop.example:8443", "https://a.shop.example:8443", "https://a.shop.example"},
		{"https://*.localhost", "https://a.localhost", "https://localhost"},
		{"https://*.shop.example.", "https://a.shop.example.", "https://a.shop.example"},
		{
			"https://pr-*-shop.preview.example", "https://pr-1-shop.preview.example https://pr---shop.preview.example https://pr-a-b-shop.preview.example",
			"https://pr--shop.preview.example https://pr-shop.preview.example https://pr-a.b-shop.preview.example https://pr-a_b-shop.preview.example " +
				"https://x.pr-1-shop.preview.example https://pr-1-shop.xpreview.example https://pr-1-shop.preview.example:1",
		},
		{"https://*-shop.preview.example", "https://a-shop.preview.example", "https://-shop.preview.example https://shop.preview.example https://a.b-shop.preview.example"},
		{"https://*.pr-*.preview.example", "https://a.pr-1.preview.example https://a.b.pr-1.preview.example", "https://pr-1.preview.example https://a.pr-.preview.example"},
		{"https://api.*.preview.example", "https://api.a.preview.example", "https://api.preview.example https://api.a.b.preview.example https://x.a.preview.example"},
		{"https://a*.b*.preview.example:*", "https://ax.by.preview.example:1", "https://ax.preview.example https://by.ax.preview.example"},
	} {
		p, f := parsePattern(tc.pattern)
		if f != nil {
			t.Errorf("%s is refused: %s", tc.pattern, f.reason)
			continue
		}
		index := newIndex([]string{"https://x.invalid", tc.pattern})
		index.add(&p, 1, index.exact.hash(tc.pattern))
		for s := range strings.FieldsSeq(tc.match) {
			if at, ok := find(t, &index, s); !ok || at != 1 {
				t.Errorf("%s does not match %s", tc.pattern, s)
			}
		}
		for s := range strings.FieldsSeq(tc.mismatch) {
			if _, ok := find(t, &index, s); ok {
				t.Errorf("%s matches %s", tc.pattern, s)
			}
		}
	}
}

func newIndex(list []string) originIndex {
	return newOriginIndex(maphash.MakeSeed(), &Document{}, partOrigins, list)
}

func find(tb testing.TB, index *originIndex, text string) (int32, bool) {
	tb.Helper()
	o, form := parseOrigin(text)
	return index.find(&o, form, index.exact.hash(text))
}

// The most specific entry is the rule that a decision names.
func TestMostSpecificEntry(t *testing.T) {
	t.Parallel()
	texts := []string{
		"https://*.shop.example", "https://*.a.shop.example", "https://b.a.shop.example:*", "https://b.a.shop.example:8443", "https://p-*.a.shop.example",
	}
	index := newIndex(texts)
	for i, text := range texts {
		p, f := parsePattern(text)
		if f != nil {
			t.Fatalf("%s: %s", text, f.reason)
		}
		index.add(&p, int32(i), index.exact.hash(text))
	}
	for origin, want := range map[string]int32{
		"https://x.shop.example": 0, "https://a.shop.example": 0, "https://x.a.shop.example": 1,
		"https://b.a.shop.example": 2, "https://b.a.shop.example:8443": 3, "https://p-1.a.shop.example": 1,
	} {
		if at, ok := find(t, &index, origin); !ok || at != want {
			t.Errorf("%s is matched by entry %d, want %d", origin, at, want)
		}
	}
}

// reference is what a pattern means, as a regular expression: another way to say
// the same, which shares no code with ours.
func reference(pattern string) *regexp.Regexp {
	scheme, rest, _ := strings.Cut(pattern, "://")
	host, anyPort := strings.CutSuffix(rest, ":*")
	deep := ""
	if below, ok := strings.CutPrefix(host, "*."); ok {
		deep, host = `(?:[a-z0-9_-]+\.)+`, below
	}
	expr := deep + strings.ReplaceAll(regexp.QuoteMeta(host), `\*`, `[a-z0-9-]+`)
	if anyPort {
		expr += `(?::[0-9]+)?`
	}
	return regexp.MustCompile(`\A` + regexp.QuoteMeta(scheme+"://") + expr + `\z`)
}

var (
	drawLabel   = rapid.StringMatching(`[ab]([ab-]{0,2}[ab])?`)
	drawPattern = rapid.Custom(func(t *rapid.T) string {
		labels := rapid.SliceOfN(rapid.OneOf(drawLabel, rapid.SampledFrom([]string{"*", "a*", "*b", "a*b", "*-a"})), 0, 2).Draw(t, "labels")
		if rapid.Bool().Draw(t, "deep") {
			labels = append([]string{"*"}, labels...)
		}
		labels = append(labels, rapid.SampledFrom([]string{"a.example", "b.example", "a.a.example"}).Draw(t, "tail"))
		return rapid.SampledFrom([]string{"https", "http"}).Draw(t, "scheme") + "://" + strings.Join(labels, ".") + rapid.SampledFrom([]string{"", ":81", ":*"}).Draw(t, "port")
	})
	drawOrigin = rapid.Custom(func(t *rapid.T) string {
		labels := rapid.SliceOfN(drawLabel, 0, 4).Draw(t, "labels")
		labels = append(labels, rapid.SampledFrom([]string{"a.example", "b.example"}).Draw(t, "tail"))
		return rapid.SampledFrom([]string{"https", "http"}).Draw(t, "scheme") + "://" + strings.Join(labels, ".") + rapid.SampledFrom([]string{"", ":81", ":82"}).Draw(t, "port")
	})
)

func TestPatternsAgainstReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(drawPattern, 1, 6).Draw(t, "patterns")
		index := newIndex(texts)
		for i, text := range texts {
			p, f := parsePattern(text)
			if f != nil {
				t.Fatalf("%s is refused: %s", text, f.reason)
			}
			index.add(&p, int32(i), index.exact.hash(text))
		}
		s := drawOrigin.Draw(t, "origin")
		o, form := parseOrigin(s)
		_, got := index.find(&o, form, index.exact.hash(s))
		want := false
		for _, text := range texts {
			want = want || reference(text).MatchString(s)
		}
		if got != want {
			t.Fatalf("%q against %q: %v, want %v", s, texts, got, want)
		}
	})
}

// Whatever the parser accepts holds no byte that an origin could not, and names a
// registrable domain behind its wildcards.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"https://shop.example", "https://*.shop.example:*", "https://pr-*-shop.preview.example", "null", "*", "https://[::1]:*", "https://m\u00fcnchen.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, fault := parsePattern(s)
		if fault != nil {
			if fault.code == "" || fault.reason == "" {
				t.Fatalf("%q is refused without a reason", s)
			}
			return
		}
		switch p.form {
		case patternAny, patternNull:
			return
		case patternExact:
			if o, form := parseOrigin(p.exact()); form != formTuple || o.text != s {
				t.Fatalf("%q is accepted and is no origin", s)
			}
			return
		}
		// A wildcard stands for what it stands for, and for nothing else.
		sample := strings.TrimSuffix(strings.Replace(s, "://*.", "://a.", 1), ":*")
		sample = strings.ReplaceAll(sample, "*", "a")
		index := newIndex([]string{s})
		index.add(&p, 0, index.exact.hash(s))
		if _, ok := find(t, &index, sample); !ok {
			t.Fatalf("%q does not match %q", s, sample)
		}
		stranger := sample + ".evil.example"
		if _, ok := find(t, &index, stranger); ok && !strings.HasSuffix(stranger, "."+p.tail) {
			t.Fatalf("%q matches %q", s, stranger)
		}
	})
}
