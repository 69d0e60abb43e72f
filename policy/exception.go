package policy

import (
	"strconv"
	"strings"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// exception is a danger that a policy can take upon itself.
type exception uint8

const (
	exceptAnyOrigin exception = iota
	exceptPlainHTTP
	exceptPublicSuffix

	exceptionCount
)

// minJustification is how long a text must be to be one, in bytes.
const minJustification = 10

var exceptionFields = [exceptionCount]struct {
	name string
	text func(*corsgatev1.Exceptions) string
}{
	exceptAnyOrigin:    {"anyOriginWithCredentials", (*corsgatev1.Exceptions).GetAnyOriginWithCredentials},
	exceptPlainHTTP:    {"plainHttpWithCredentials", (*corsgatev1.Exceptions).GetPlainHttpWithCredentials},
	exceptPublicSuffix: {"publicSuffix", (*corsgatev1.Exceptions).GetPublicSuffix},
}

// accepts reports whether the policy takes a danger upon itself, and notes that
// it needs to.
func (b *policyBuilder) accepts(e exception) bool {
	b.needed[e] = true
	return exceptionFields[e].text(b.spec.GetDangerously()) != ""
}

// exceptions lists what the policy takes upon itself. It runs after everything
// that could need an exception.
func (b *policyBuilder) exceptions() {
	place := b.place.Field("dangerously")
	for e, field := range exceptionFields {
		text := field.text(b.spec.GetDangerously())
		if text == "" {
			continue
		}
		at, path := place.Field(field.name), "spec.dangerously."+field.name
		switch {
		case len(strings.TrimSpace(text)) < minJustification:
			b.report(b.doc, at, SeverityError, path, &fault{
				"justification_short", quote(text) + " does not say why this must be", "write a reason of at least " + strconv.Itoa(minJustification) + " characters for whoever reads the policy next",
			})
		case !b.needed[e]:
			b.report(b.doc, at, SeverityWarning, path, &fault{"exception_unused", "nothing in the policy needs this exception", "remove it"})
		}
		b.set.exceptions = append(b.set.exceptions, Exception{Policy: b.policy.Name, Field: path, Justification: text, Position: b.doc.at(at)})
	}
}
