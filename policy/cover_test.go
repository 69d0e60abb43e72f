package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ wide, covered, notCovered string }{
		{"*", "null https://a.example https://*.a.example http://a.example:*", ""},
		{"null", "null", "https://a.example *"},
		{"https://a.example", "https://a.example", "http://a.example https://a.example:* https://a.example:81 https://b.example null https://*.a.example"},
		{"https://a.example:*", "https://a.example https://a.example:81 https://a.example:*", "https://*.a.example:* https://b.a.example"},
		{"https://*.a.example", "https://b.a.example https://*.b.a.example https://x-*.a.example https://x-*.b.a.example https://*.a.example", "https://a.example https://b.a.example:81 https://*.a.example:* https://*.xa.example"},
		{"https://*.a.example:*", "https://*.a.example:81 https://b.a.example:82", "http://b.a.example"},
		{"https://x-*.a.example", "https://x-1.a.example https://x-*.a.example", "https://*.a.example https://x-1.b.a.example https://x-*.a.example:81"},
	} {
		wide, _ := parsePattern(tc.wide)
		for text := range strings.FieldsSeq(tc.covered) {
			if p, _ := parsePattern(text); !wide.covers(&p) {
				t.Errorf("%s does not cover %s", tc.wide, text)
			}
		}
		for text := range strings.FieldsSeq(tc.notCovered) {
			if p, _ := parsePattern(text); wide.covers(&p) {
				t.Errorf("%s covers %s", tc.wide, text)
			}
		}
	}
}

// What one pattern covers another matches too, by the reference's meaning.
func TestCoversIsSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wideText, text := drawPattern.Draw(t, "wide"), drawPattern.Draw(t, "pattern")
		wide, _ := parsePattern(wideText)
		p, _ := parsePattern(text)
		if !wide.covers(&p) {
			return
		}
		origin := drawOrigin.Draw(t, "origin")
		if reference(text).MatchString(origin) && !reference(wideText).MatchString(origin) {
			t.Fatalf("%s is said to cover %s, but does not match %s", wideText, text, origin)
		}
	})
}
