package browser

import (
	"slices"
	"strings"
	"testing"
)

// What a list holds are tokens, in the list's order, and a list of them reads as
// itself.
func FuzzParseList(f *testing.F) {
	for _, seed := range []string{"", "GET, PUT", "*", " , ,a", "a b", "a,\t\"b,c\"", "\x00", "x-a,X-A"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		list := parseList([]Header{{"a", value}}, "A")
		for _, token := range list.tokens {
			if !isToken(token) || !strings.Contains(value, token) {
				t.Fatalf("%q of %q is no token", token, value)
			}
		}
		if list.invalid != (list.bad != "") || isToken(list.bad) {
			t.Fatalf("invalid %v with the element %q", list.invalid, list.bad)
		}
		again := parseList([]Header{{"a", strings.Join(list.tokens, ",")}}, "a")
		if again.invalid || !slices.Equal(again.tokens, list.tokens) {
			t.Fatalf("%q reads as %q", list.tokens, again.tokens)
		}
		split := parseList([]Header{{"a", value}, {"a", value}}, "a")
		if !slices.Equal(split.tokens, slices.Repeat(list.tokens, 2)) {
			t.Fatalf("two lines of %q read as %q", value, split.tokens)
		}
	})
}

// An essence is a type and a subtype, both tokens in lower case, and its own.
func FuzzEssence(f *testing.F) {
	for _, seed := range []string{"", "text/plain", " Text/PLAIN ;a=b", "/", "a/b/c", "text/plain, text/html", "a/\u017f", "\r\na/b\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := essence(value)
		if got == "" {
			return
		}
		kind, subtype, ok := strings.Cut(got, "/")
		if !ok || !isToken(kind) || !isToken(subtype) || lowerASCII(got) != got {
			t.Fatalf("the essence of %q is %q", value, got)
		}
		if again := essence(got + ";charset=utf-8"); again != got {
			t.Fatalf("the essence of %q is %q", got, again)
		}
	})
}

// A safelisted value is short, holds nothing that could confuse a server, and
// stays one in any case of its name.
func FuzzSafelisted(f *testing.F) {
	for _, seed := range [][2]string{{"accept", "*/*"}, {"Range", "bytes=0-"}, {"content-type", "text/plain"}, {"accept-language", "de"}, {"X", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		safe := IsSafelistedRequestHeader(name, value)
		if safe && (len(value) > maxSafeValue || strings.ContainsAny(value, "\"():<>?@[\\]{}\x00\r\n\x7f")) {
			t.Fatalf("%s: %q is safelisted", name, value)
		}
		if safe != IsSafelistedRequestHeader(lowerASCII(name), value) {
			t.Fatalf("%s: %q depends on its name's case", name, value)
		}
		if safe && IsForbiddenHeader(name, value) {
			t.Fatalf("%s is safelisted and forbidden", name)
		}
	})
}

// Whatever is pasted is read or not, and what is read prints again as what reads
// the same.
func FuzzParseConsole(f *testing.F) {
	for _, engine := range Engines() {
		for _, why := range Failures() {
			b := blockOf(why)
			if text := Console(engine, &b); text != "" {
				f.Add(text)
			}
		}
	}
	f.Add("Access to fetch at '' from origin '' has been blocked by CORS policy: ")
	f.Fuzz(func(t *testing.T, text string) {
		engine, b, ok := ParseConsole(text)
		if !ok {
			if b.Failure != FailureNone || engine != Standard {
				t.Fatalf("not read, yet %s %s", engine, b.Failure)
			}
			return
		}
		printed := Console(engine, &b)
		if printed == "" || strings.ContainsAny(printed, "\n\r") && engine != Safari {
			return
		}
		if engine2, b2, ok := ParseConsole(printed); !ok || engine2 != engine || b2.Failure != b.Failure {
			t.Fatalf("%q reads as %s %s; printed again it is %q, and reads as %s %s", text, engine, b.Failure, printed, engine2, b2.Failure)
		}
	})
}

// Whatever a header says, the check shares only with the origin it names.
func FuzzCORSCheck(f *testing.F) {
	for _, seed := range [][2]string{{"*", ""}, {shop, "true"}, {"null", "true"}, {"https://[::1]:x", ""}, {shop + ", *", "true"}} {
		f.Add(seed[0], seed[1], true)
	}
	f.Fuzz(func(t *testing.T, allow, credentials string, include bool) {
		mode := CredentialsOmit
		if include {
			mode = CredentialsInclude
		}
		headers := []Header{{allowOriginName, allow}, {allowCredentialsName, credentials}}
		trimmed := strings.Trim(allow, httpSpace)
		want := trimmed == shop && (!include || strings.Trim(credentials, httpSpace) == "true") || trimmed == "*" && !include
		for engine := range engineCount {
			if why, _ := CORSCheck(engine, shop, mode, headers); (why == FailureNone) != want {
				t.Fatalf("%s says %s of %q and %q, credentials %v", engine, why, allow, credentials, include)
			}
		}
	})
}
