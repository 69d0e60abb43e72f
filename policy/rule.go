package policy

import (
	"strconv"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Rule is the part of a document that decided.
type Rule struct {
	// Field is the path of the part within its document, such as
	// "spec.origins[2]".
	Field string
	// Text is what the part says, such as "https://*.shop.example". It is empty
	// where the document does not mention the part.
	Text string
	// Document is the full name of the document that holds the part: a policy or
	// an origin set.
	Document string
	// Position is where the part stands, or where the part that should hold it
	// does.
	Position Position
}

// ruleRef points at a rule without holding its text, so that a set of a million
// origins needs no million rules.
type ruleRef struct {
	doc   *Document
	part  rulePart
	index int32
	// listed is where the list stands that the rule is an element of, or nil: to look
	// for it takes longer than to decide.
	listed *Place
}

// rulePart is a part of a document that can decide.
type rulePart uint8

const (
	partNone rulePart = iota
	partOrigins
	partTemporaryOrigins
	partOriginRegexes
	partExcludeOrigins
	partMethods
	partRequestHeaders
	partOnDisallowedOrigin
	partNavigations
	partEnforcement

	// What only a guardrail can point at.
	partOriginSets
	partCredentials
	partMaxAge
	partExposeHeaders
	partPresets
	partDangerously
	// The parts of a guardrail itself.
	partForbiddenOrigins
)

var partNames = [...]string{
	partOrigins:            "origins",
	partTemporaryOrigins:   "temporaryOrigins",
	partOriginRegexes:      "originRegexes",
	partExcludeOrigins:     "excludeOrigins",
	partMethods:            "methods",
	partRequestHeaders:     "requestHeaders",
	partOnDisallowedOrigin: "onDisallowedOrigin",
	partNavigations:        "navigations",
	partEnforcement:        "enforcement",
	partOriginSets:         "originSets",
	partCredentials:        "credentials",
	partMaxAge:             "maxAge",
	partExposeHeaders:      "exposeHeaders",
	partPresets:            "presets",
	partDangerously:        "dangerously",
	partForbiddenOrigins:   "forbiddenOrigins",
}

// whole is the index of a rule that is a field and not one of its elements.
const whole = -1

// resolve makes the rule that r points at.
func (r ruleRef) resolve() (Rule, bool) {
	if r.part == partNone {
		return Rule{}, false
	}
	return Rule{Field: string(r.appendField(nil)), Text: r.text(), Document: r.doc.Key().FullName(), Position: r.position()}, true
}

// appendField writes the path of the part within its document.
func (r ruleRef) appendField(dst []byte) []byte {
	if r.part == partNone {
		return dst
	}
	dst = append(append(dst, "spec."...), partNames[r.part]...)
	if r.index == whole {
		return dst
	}
	dst = append(strconv.AppendInt(append(dst, '['), int64(r.index), 10), ']')
	if r.part == partTemporaryOrigins {
		dst = append(dst, ".origin"...)
	}
	return dst
}

func (r ruleRef) appendPosition(dst []byte) []byte { return r.position().appendTo(dst) }

// position is that of place. It does not allocate.
func (r ruleRef) position() Position {
	if r.index == whole {
		return r.doc.at(r.place())
	}
	list := r.listed
	if list == nil || int(r.index) >= len(list.Marks) {
		return r.doc.at(r.place())
	}
	mark := list.Marks[r.index]
	return Position{File: r.doc.File, Line: int(mark.Line), Column: int(mark.Column)}
}

// listed is where a part stands, or where what should hold it does.
func (d *Document) listed(part rulePart) *Place { return d.Root.Field("spec").Field(partNames[part]) }

// place is where the part stands, or where the part that should hold it does.
func (r ruleRef) place() *Place {
	place := r.doc.listed(r.part)
	if r.index == whole {
		return place
	}
	place = place.Item(int(r.index))
	if r.part == partTemporaryOrigins {
		return place.Field("origin")
	}
	return place
}

func (r ruleRef) text() string {
	if r.index == whole {
		return ""
	}
	var list []string
	switch m := r.doc.Message.(type) {
	case *corsgatev1.CorsOriginSet:
		list = m.GetSpec().GetOrigins()
	case *corsgatev1.CorsPolicy:
		if r.part == partTemporaryOrigins {
			return m.GetSpec().GetTemporaryOrigins()[r.index].GetOrigin()
		}
		list = partList(m.GetSpec(), r.part)
	}
	if int(r.index) < len(list) {
		return list[r.index]
	}
	return ""
}

// partList is the list of texts that a part of a policy is.
func partList(spec *corsgatev1.CorsPolicySpec, part rulePart) []string {
	switch part {
	case partOrigins:
		return spec.GetOrigins()
	case partOriginRegexes:
		return spec.GetOriginRegexes()
	case partExcludeOrigins:
		return spec.GetExcludeOrigins()
	case partOriginSets:
		return spec.GetOriginSets()
	case partMethods:
		return spec.GetMethods()
	case partRequestHeaders:
		return spec.GetRequestHeaders()
	case partExposeHeaders:
		return spec.GetExposeHeaders()
	case partPresets:
		return spec.GetPresets()
	}
	return nil
}
