package browser

import (
	"slices"
	"strings"
)

// httpSpace is the white space that HTTP allows around a value.
const httpSpace = " \t"

// combine returns a header's value, its lines joined with ", ", and whether the
// header is there at all (Fetch standard, "get" a header's value).
func combine(headers []Header, name string) (value string, ok bool) {
	for _, h := range headers {
		if !equalFold(h.Name, name) {
			continue
		}
		line := strings.Trim(h.Value, httpSpace)
		if ok {
			value += ", " + line
		} else {
			value, ok = line, true
		}
	}
	return value, ok
}

// countLines returns on how many lines a header stands.
func countLines(headers []Header, name string) int {
	n := 0
	for _, h := range headers {
		if equalFold(h.Name, name) {
			n++
		}
	}
	return n
}

// A tokenList is a header that lists tokens (RFC 9110, section 5.6.1). Empty
// elements are not part of it.
type tokenList struct {
	tokens []string
	// present says that the header is there.
	present bool
	// bad is the first element that is no token, where there is one.
	bad     string
	invalid bool
	// value is the whole header.
	value string
}

// parseList reads a header that lists tokens.
func parseList(headers []Header, name string) tokenList {
	var list tokenList
	list.value, list.present = combine(headers, name)
	for element := range strings.SplitSeq(list.value, ",") {
		element = strings.Trim(element, httpSpace)
		switch {
		case element == "":
		case isToken(element):
			list.tokens = append(list.tokens, element)
		case !list.invalid:
			list.bad, list.invalid = element, true
		}
	}
	return list
}

// has reports whether a method is listed, which is case-sensitive.
func (l *tokenList) has(method string) bool {
	return slices.Contains(l.tokens, method)
}

// hasFold reports whether a header's name is listed, in any case.
func (l *tokenList) hasFold(name string) bool {
	return slices.ContainsFunc(l.tokens, func(t string) bool { return equalFold(t, name) })
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

func trimSpace(s string) string { return strings.Trim(s, httpSpace) }
