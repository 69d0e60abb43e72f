package policy

import (
	"slices"
	"strings"
	"testing"
)

// FuzzWeigh checks the walk over Access-Control-Request-Headers against a plain
// reading of it, and that nothing comes back but what is allowed.
func FuzzWeigh(f *testing.F) {
	for _, s := range []string{"", "content-type", "X-A , accept,,authorization", "x-a\r\nset-cookie: a", ",,,", "x-\xff", strings.Repeat("a,", 200)} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, list string, wildcard bool) {
		rules := headerRules{any: wildcard, list: []string{"content-type", "x-a"}, short: true}
		got := rules.weigh(list)
		want, names := plainly(list, wildcard)
		if got != want {
			t.Fatalf("weigh(%q) = %+v, want %+v", list, got, want)
		}
		if got.tooMany {
			return
		}
		if out := string(rules.appendAllowed(nil, list)); out != strings.Join(names, ", ") {
			t.Fatalf("appendAllowed(%q) = %q, want %q", list, out, names)
		}
	})
}

// plainly reads the list as one would write it down without a thought for speed.
func plainly(list string, wildcard bool) (asked, []string) {
	if len(list) > maxAskedBytes {
		return asked{tooMany: true}, nil
	}
	var a asked
	var names []string
	elements := 0
	for element := range strings.SplitSeq(list, ",") {
		element = strings.Trim(element, " \t")
		if element == "" {
			continue
		}
		elements++
		name := asciiLower(element)
		bit := slices.Index([]string{"accept", "accept-language", "content-language", "range"}, name)
		token := strings.Trim(element, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
		switch {
		case bit >= 0:
			a.safe |= 1 << bit
			a.allowed = true
			names = append(names, name)
		case name == "content-type" || name == "x-a" || (wildcard && token && name != "*" && name != "authorization" && !strings.HasPrefix(name, "x-http-method") && name != "x-method-override"):
			a.allowed = true
			names = append(names, name)
		default:
			a.refused = true
		}
	}
	if elements > maxAskedNames {
		return asked{tooMany: true}, nil
	}
	return a, names
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
