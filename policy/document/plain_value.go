package document

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// flow reads what ends on its line: a text, a list in brackets or a mapping in
// braces. Within those, a text holds none of the signs that they are written with.
func (s *plainReader) flow(within bool) *yaml.Node {
	switch c := s.next(); c {
	case '[':
		return s.flowOf(yaml.SequenceNode, tagSequence, ']')
	case '{':
		return s.flowOf(yaml.MappingNode, tagMapping, '}')
	case '"':
		return s.quotes(c, yaml.DoubleQuotedStyle)
	case '\'':
		return s.quotes(c, yaml.SingleQuotedStyle)
	default:
		return s.plainText(within)
	}
}

// flowOf reads a list or mapping with commas between its elements, from the sign
// that it begins with to behind the one that it ends with.
func (s *plainReader) flowOf(kind yaml.Kind, tag string, end byte) *yaml.Node {
	if s.depth++; s.depth > plainDepth {
		return nil
	}
	n := s.node(kind, tag)
	n.Style = yaml.FlowStyle
	first := s.tree.open()
	for comma := true; comma; comma = s.next() == ',' {
		s.at++ // The beginning, or a comma.
		if s.skipSpaces(); s.next() == end && s.tree.open() == first {
			break
		}
		if kind == yaml.MappingNode {
			key := s.key()
			if key == nil {
				return nil
			}
			s.tree.add(key)
			s.skipSpaces()
		}
		item := s.flow(true)
		if item == nil {
			return nil
		}
		s.tree.add(item)
		s.skipSpaces()
	}
	if s.next() != end {
		return nil
	}
	s.at++
	s.tree.close(n, first)
	s.depth--
	return n
}

// quotes reads a text in quotes, from the first to behind the second.
func (s *plainReader) quotes(quote byte, style yaml.Style) *yaml.Node {
	n := s.node(yaml.ScalarNode, tagText)
	n.Style = style
	s.at++
	begin := s.at
	for c := s.next(); c != quote; c = s.next() {
		if !isPrintable(c) || c == '\\' {
			return nil
		}
		s.at++
	}
	n.Value = s.text[begin:s.at]
	s.at++ // Two single quotes in a text stand for one, and end none that is read here.
	return n
}

// plainText reads a value without quotes, up to behind its last character.
func (s *plainReader) plainText(within bool) *yaml.Node {
	n := s.node(yaml.ScalarNode, "")
	begin, end := s.at, s.at
	for ; !s.endsPlain(within); s.at++ {
		switch c := s.next(); {
		case c == ' ':
			continue
		case !isPrintable(c) || c == '#':
			return nil
		case c == ':':
			if behind := s.peek(1); behind == ' ' || behind == '\n' || within && isFlowSign(behind) {
				return nil
			}
		}
		end = s.at + 1
	}
	s.at = end
	n.Value = s.text[begin:end]
	if n.Tag = plainTag(n.Value); n.Tag == "" {
		return nil
	}
	return n
}

// endsPlain reports whether a value without quotes has ended.
func (s *plainReader) endsPlain(within bool) bool {
	switch c := s.next(); c {
	case '\n':
		return true
	case '#':
		return s.text[s.at-1] == ' '
	default:
		return within && isFlowSign(c)
	}
}

// plainTag returns the tag of a value without quotes, or nothing where it is not
// one of those that are told here: texts that begin with a letter or a slash, true
// and false, whole numbers as JSON writes them, and durations.
func plainTag(value string) string {
	if value == "" {
		return ""
	}
	switch c := value[0]; {
	case c == '/':
		return tagText
	case isLetter(c):
		return wordTag(value)
	case isDigit(c):
		return numberTag(value)
	default:
		return ""
	}
}

func wordTag(word string) string {
	switch {
	case len(word) != len("true") && len(word) != len("false"):
		return tagText
	case word == "true" || word == "false":
		return tagBool
	case strings.EqualFold(word, "true") || strings.EqualFold(word, "false") || strings.EqualFold(word, "null"):
		return ""
	default:
		return tagText
	}
}

// numberTag returns the tag of a value that begins with a digit. The letters of a
// duration make a number of it for no reader; others may, as in 0x10 and 1e3.
func numberTag(value string) string {
	const digits = 18 // As many as fit into any integer.
	letters := 0
	for i := range len(value) {
		switch c := value[i]; c {
		case 'h', 'm', 's':
			letters++
		default:
			if !isDigit(c) {
				return ""
			}
		}
	}
	switch {
	case letters > 0:
		return tagText
	case isDigits(value) && len(value) <= digits:
		return tagInt
	default:
		return ""
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isPrintable(c byte) bool { return c >= ' ' && c <= '~' }

// isKeyByte reports whether a character may stand in a key.
func isKeyByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '_' || c == '.' || c == '/'
}

// isFlowSign reports whether lists in brackets or mappings in braces are written
// with a character.
func isFlowSign(c byte) bool {
	switch c {
	case '[', ']', '{', '}', ',':
		return true
	default:
		return false
	}
}
