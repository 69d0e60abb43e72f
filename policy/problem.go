package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a problem keeps a document from being used.
type Severity uint8

const (
	// SeverityError is of what is unsafe or can never work.
	SeverityError Severity = iota
	// SeverityWarning is of what is only odd.
	SeverityWarning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// MarshalText makes the severity a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{SeverityError, SeverityWarning} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is no severity", text)
}

// A Problem is one thing that is wrong with a document: where, what and why, and
// what to do about it.
type Problem struct {
	Severity Severity `json:"severity"`
	// Code is a stable snake_case word for the kind of problem.
	Code string `json:"code"`
	// Position is where the problem stands.
	Position Position `json:"position"`
	// Field is the path of the part within its document, such as
	// "spec.origins[2]". It is empty where the document could not be read.
	Field string `json:"field,omitempty"`
	// Reason says what is wrong, and why it matters.
	Reason string `json:"reason"`
	// Mend says what to write instead. It may be empty.
	Mend string `json:"mend,omitempty"`
	// Guardrail is the name of the guardrail that forbids what stands here. It is
	// empty for problems of other kinds.
	Guardrail string `json:"guardrail,omitempty"`
}

// Error returns the problem on one line: position, severity, reason, mend, code.
func (p Problem) Error() string {
	var b strings.Builder
	if pos := p.Position.String(); pos != "" {
		b.WriteString(pos)
		b.WriteString(": ")
	}
	if p.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	if p.Field != "" {
		b.WriteString(p.Field)
		b.WriteString(": ")
	}
	b.WriteString(p.Reason)
	if p.Mend != "" {
		b.WriteString("; ")
		b.WriteString(p.Mend)
	}
	b.WriteString(" [")
	b.WriteString(p.Code)
	b.WriteString("]")
	return b.String()
}

// Problems is all that is wrong with some documents.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Errors returns those that keep a document from being used.
func (ps Problems) Errors() Problems { return ps.of(SeverityError) }

// Warnings returns those that are only odd.
func (ps Problems) Warnings() Problems { return ps.of(SeverityWarning) }

func (ps Problems) of(s Severity) Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// Sort orders the problems by file, line and column.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Position.File, b.Position.File),
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Reason, b.Reason),
		)
	})
}
