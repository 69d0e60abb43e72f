package document

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
)

// syntax reports that a piece cannot be read, in words for people who write
// policies and not parsers.
func (r *reader) syntax(err error) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		r.add(mark{1, 1}, policy.Problem{Code: codeSyntax, Reason: "this is not YAML: " + err.Error()})
		return
	}
	at := mark{le.Mark.Line, le.Mark.Column}
	if le.Message == errTooDeep.Error() {
		r.add(at, tooDeep())
		return
	}
	reason, mend := r.explain(le, at)
	r.add(at, policy.Problem{Code: codeSyntax, Reason: reason, Mend: mend})
}

// explain says what a parser's complaint means, and what to do about it.
func (r *reader) explain(le *yaml.LoadError, at mark) (reason, mend string) {
	begin := r.describe(mark{le.ContextMark.Line, le.ContextMark.Column})
	switch le.Message {
	case "found character that cannot start any token",
		"found a tab character that violates indentation",
		"found a tab character where an indentation space is expected":
		return unstartable(r.charAt(at))
	case "did not find expected alphabetic or numeric character":
		char := r.charAt(mark{le.ContextMark.Line, le.ContextMark.Column})
		return fmt.Sprintf("a text that begins with %c must stand in quotes, since %c means something else in YAML", char, char),
			fmt.Sprintf(`put it in quotes: "%c…"`, char)
	case "mapping values are not allowed in this context":
		return "a key and its colon cannot stand here",
			`put a text that holds ": " in quotes, and indent the keys of one mapping alike`
	case "block sequence entries are not allowed in this context":
		return "a list cannot begin here", "begin the list on the line after its key, or write it as [a, b]"
	case "did not find expected ',' or ']'":
		return "the list that begins at " + begin + " is not closed, or lacks a comma", "write ] at its end and , between its elements"
	case "did not find expected ',' or '}'":
		return "the mapping that begins at " + begin + " is not closed, or lacks a comma", "write } at its end and , between its fields"
	case "did not find expected key", "did not find expected '-' indicator":
		return "this line is not indented like the lines it belongs to, which begin at " + begin, "indent them alike, with spaces"
	case "could not find expected ':'":
		return "there is no colon after the key at " + begin, `write the key, a colon and a space`
	case "found unexpected end of stream", "found unexpected document indicator":
		return "the quoted text that begins at " + begin + " is not closed", "write its quote at the end"
	case "found unknown escape character":
		return `a backslash in double quotes begins an escape, and this one is unknown`, `write \\ for a backslash, or use single quotes`
	case "did not find expected node content":
		if at.line > r.piece.last.line || at == r.piece.last {
			return "the document ends within a list or mapping that is not closed", "write ] or } at its end"
		}
		return "a value is missing before this, or this has no meaning here", "put a text that begins with a YAML sign in quotes"
	case "found a comment without preceding whitespace":
		return "a comment cannot begin right after a value", "write a space before the #"
	default:
		return "this is not YAML: " + parserWords(le), ""
	}
}

// unstartable explains a character that no value may begin with.
func unstartable(char rune) (reason, mend string) {
	if char == '\t' {
		return "a tab cannot indent YAML", "indent with spaces"
	}
	return fmt.Sprintf("a text cannot begin with %c unless it is quoted", char), fmt.Sprintf(`put it in quotes: "%c…"`, char)
}

// parserWords returns the parser's own complaint, with what it was doing.
func parserWords(le *yaml.LoadError) string {
	if le.ContextMsg == "" {
		return le.Message
	}
	return strings.TrimPrefix(le.ContextMsg, "while ") + ": " + le.Message
}

// describe returns a place in words that fit any editor, "line 3, column 5".
func (r *reader) describe(at mark) string {
	at = r.piece.clamp(at)
	return fmt.Sprintf("line %d, column %d", r.piece.line+at.line-1, at.column)
}

// charAt returns the character at a place of the piece, or a space beyond it.
func (r *reader) charAt(at mark) rune {
	var text []byte
	rest := r.piece.data
	for range at.line {
		text, rest = cutLine(rest)
	}
	for range at.column - 1 {
		_, size := utf8.DecodeRune(text)
		text = text[size:]
	}
	if len(bytes.TrimSpace(text)) == 0 && !bytes.HasPrefix(text, []byte("\t")) {
		return ' '
	}
	char, _ := utf8.DecodeRune(text)
	return char
}

func tooDeep() policy.Problem {
	return policy.Problem{
		Code:   codeTooDeep,
		Reason: fmt.Sprintf("mappings and lists lie within each other more than %d deep", MaxDepth),
		Mend:   "no policy needs that; look for a bracket too many",
	}
}
