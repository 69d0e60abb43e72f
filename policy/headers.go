package policy

import (
	"slices"
	"strings"
)

// headerRules is which request headers a cross-origin caller may send.
type headerRules struct {
	any   bool     // `*`, which covers neither Authorization nor method overrides
	list  []string // in lower case, sorted, each once
	short bool     // the list may be sent whole
}

// allow reports whether a header may be sent, named in any case.
func (r *headerRules) allow(name string) bool {
	if r.lists(name) {
		return true
	}
	if r.any {
		// Named in an answer, the header `*` would be the wildcard.
		return isToken(name) && name != "*" && !equalFold(name, "authorization") && !isMethodOverride(name)
	}
	return false
}

// lists reports whether a header, named in any case, is in the list.
func (r *headerRules) lists(name string) bool {
	const few = 16 // that are told apart sooner by their lengths than by their order
	if len(r.list) > few {
		_, ok := slices.BinarySearchFunc(r.list, name, compareFold)
		return ok
	}
	for _, listed := range r.list {
		if equalFold(name, listed) {
			return true
		}
	}
	return false
}

// compareFold orders a name in lower case against one in any case.
func compareFold(name, other string) int {
	for i := range min(len(name), len(other)) {
		if c := int(name[i]) - int(lower(other[i])); c != 0 {
			return c
		}
	}
	return len(name) - len(other)
}

// form says how a preflight answer names the headers.
func (r *headerRules) form(a *asked) listForm {
	switch {
	case a.tooMany:
		return listNone
	case !r.any && r.short && (len(r.list) > 0 || a.safe != 0):
		return listWhole
	case a.allowed:
		return listAsked
	}
	return listNone
}

// forms are the forms that preflight answers can take.
//
// `*` itself is never sent: browsers that remember it let headers through that it
// does not cover here, Safari Authorization and all of them method overrides.
func (r *headerRules) forms() []listForm {
	if !r.any && r.short {
		// Even where no name of the list is asked for a safelisted one may be, which
		// a list that is empty or too long to be sent names alone.
		return []listForm{listNone, listWhole, listAsked}
	}
	return []listForm{listNone, listAsked}
}

// whole is the value that names all headers.
func (r *headerRules) whole() string { return strings.Join(r.list, listSeparator) }

// asked is what a preflight's Access-Control-Request-Headers comes to.
type asked struct {
	tooMany bool       // more bytes or names than we read
	refused bool       // at least one name is not allowed
	allowed bool       // at least one name is
	safe    safelisted // the safelisted ones among them
}

// weigh reads Access-Control-Request-Headers in any order and case, in linear
// time and without allocating.
func (r *headerRules) weigh(list string) asked {
	if len(list) > maxAskedBytes {
		return asked{tooMany: true}
	}
	var a asked
	names := 0
	for rest, more := list, list != ""; more; {
		var name string
		name, rest, more = nextName(rest)
		if name == "" {
			continue // empty elements say nothing (RFC 9110, section 5.6.1)
		}
		if names++; names > maxAskedNames {
			return asked{tooMany: true}
		}
		safe := safelistedHeader(name)
		a.safe |= safe
		if safe != 0 || r.allow(name) {
			a.allowed = true
		} else {
			a.refused = true
		}
	}
	return a
}

// appendAllowed writes those of the names asked for that are allowed.
func (r *headerRules) appendAllowed(dst []byte, list string) []byte {
	start := len(dst)
	for rest, more := list, list != ""; more; {
		var name string
		name, rest, more = nextName(rest)
		if name == "" || (safelistedHeader(name) == 0 && !r.allow(name)) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, listSeparator...)
		}
		for i := range len(name) {
			dst = append(dst, lower(name[i]))
		}
	}
	return dst
}

// appendWhole writes all names, and the safelisted ones that were asked for.
func (r *headerRules) appendWhole(dst []byte, whole string, safe safelisted) []byte {
	start := len(dst)
	dst = append(dst, whole...)
	for i := range safelistedNames {
		s := &safelistedNames[i]
		if safe&s.bit == 0 || slices.Contains(r.list, s.name) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, listSeparator...)
		}
		dst = append(dst, s.name...)
	}
	return dst
}

// nextName cuts the first element off a list and the white space around it.
func nextName(list string) (name, rest string, more bool) {
	name, rest, more = strings.Cut(list, ",")
	for name != "" && isBlank(name[0]) {
		name = name[1:]
	}
	for name != "" && isBlank(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	return name, rest, more
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
