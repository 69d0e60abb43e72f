package policy

import (
	"slices"
	"strings"
)

// Bounds of what is sent and of what is read.
const (
	// maxWholeList is the longest list that is sent whole, in bytes. A whole list
	// lets browsers' preflight caches hit; a longer one costs more than it saves.
	maxWholeList = 1024
	// maxAskedBytes and maxAskedNames bound Access-Control-Request-Headers.
	maxAskedBytes = 8192
	maxAskedNames = 128
)

// Methods that the protocol itself looks at.
const (
	methodGet     = "GET"
	methodHead    = "HEAD"
	methodOptions = "OPTIONS"
)

// defaultMethods is what `methods` means where it is left out.
var defaultMethods = [...]string{"GET", "HEAD", "POST"}

// methodRules is what a cross-origin caller may do.
type methodRules struct {
	any   bool     // `*`, which is any method that browsers send
	list  []string // sorted, each once
	short bool     // the list may be sent whole
}

// allow reports whether a method may be used. HEAD rides on GET.
func (r *methodRules) allow(method string) bool {
	if slices.Contains(r.list, method) {
		return true
	}
	if r.any {
		// Named in an answer, the method `*` would be the wildcard.
		return isToken(method) && method != "*" && !isForbiddenMethod(method)
	}
	return method == methodHead && slices.Contains(r.list, methodGet)
}

// form says how a preflight answer names the methods.
func (r *methodRules) form(method string, credentials bool) listForm {
	switch {
	case r.any && len(r.list) == 0 && !credentials && r.allow(method):
		return listWhole
	case !r.any && r.short:
		return listWhole
	case r.allow(method):
		return listAsked
	}
	return listNone
}

// forms are the forms that preflight answers can take.
func (r *methodRules) forms(credentials bool) []listForm {
	switch {
	case r.any && len(r.list) == 0 && !credentials:
		return []listForm{listNone, listWhole}
	case !r.any && r.short:
		return []listForm{listWhole}
	}
	return []listForm{listNone, listAsked}
}

// whole is the value that names all methods.
func (r *methodRules) whole() string {
	if r.any {
		return "*"
	}
	return strings.Join(r.list, listSeparator)
}

// listForm is how a preflight answer names methods or headers.
type listForm uint8

const (
	// listNone names none: the header is left out.
	listNone listForm = iota
	// listWhole names all that the policy allows.
	listWhole
	// listAsked names what was asked for and is allowed.
	listAsked

	listForms
)

const listSeparator = ", "

// isShort reports whether a list may be sent whole.
func isShort(list []string) bool {
	n := 0
	for _, s := range list {
		n += len(s) + len(listSeparator)
	}
	return n-len(listSeparator) <= maxWholeList
}
