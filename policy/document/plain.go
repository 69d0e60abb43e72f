package document

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Nearly all policies are written in a small part of YAML: mappings and lists in
// lines, lists in brackets, texts that are nothing else to any reader. A parser of
// all of YAML looks at each character for all that it might be, and where there
// are thousands of files that is most of a start. So this part is read by hand.
// What lies outside of it, or is wrong, is left to the parser, which also says
// what is wrong: a tree that is made here is the one that the parser makes, but
// for comments, which nothing here reads.

const (
	// plainSize is the longest piece that is read by hand. The texts of its tree
	// share the memory of all of it for as long as one of them lives.
	plainSize = 64 << 10
	// plainDepth is how deep mappings and lists may lie within each other there.
	plainDepth = 16
	// plainKey is how long a key may be there. The parser has a limit, too.
	plainKey = 128
	// noIndent is the indentation of the line behind the last.
	noIndent = -1
)

// A plainReader reads the lines of a piece. It stands at the beginning of what a
// line says, or somewhere behind that.
type plainReader struct {
	text string
	at   int
	// line is the number of the line, from one, and start is where it begins.
	line, start int
	// indent is how many characters stand in front of what the line says; behind
	// the dash of a list's element that is a mapping, the dash counts as one.
	indent int
	depth  int
	tree   *slab
}

// loadPlain parses a piece into the root of its document, which is made in a slab. It
// returns nil for a piece that it does not read.
func loadPlain(data []byte, tree *slab) *yaml.Node {
	if len(data) > plainSize {
		return nil
	}
	s := plainReader{text: string(data), tree: tree}
	if strings.IndexByte(s.text, '\r') >= 0 {
		return nil
	}
	tree.begin(len(data))
	if strings.HasPrefix(s.text, "---") {
		s.at, s.line = len("---"), 1
		if !s.endLine() {
			return nil
		}
	} else {
		s.nextLine()
	}
	if s.indent != 0 {
		return nil
	}
	return s.mapping(0) // Only the end is less indented.
}

// nextLine goes to the next line that holds more than a comment, from the
// beginning of a line.
func (s *plainReader) nextLine() {
	for s.at < len(s.text) {
		s.line++
		s.start = s.at
		s.skipSpaces()
		switch {
		case s.at == len(s.text):
		case s.text[s.at] == '\n':
			s.at++
		case s.text[s.at] == '#':
			s.skipComment()
		default:
			s.indent = s.at - s.start
			return
		}
	}
	s.indent = noIndent
}

// endLine goes to the next line that holds more than a comment, from behind what
// a line says. It reports false where the line says more.
func (s *plainReader) endLine() bool {
	behind := s.at
	s.skipSpaces()
	switch {
	case s.at == len(s.text):
	case s.text[s.at] == '\n':
		s.at++
	case s.text[s.at] == '#' && s.at > behind:
		s.skipComment()
	default:
		return false
	}
	s.nextLine()
	return true
}

func (s *plainReader) skipSpaces() {
	for s.at < len(s.text) && s.text[s.at] == ' ' {
		s.at++
	}
}

// skipComment goes to the beginning of the next line.
func (s *plainReader) skipComment() {
	n := strings.IndexByte(s.text[s.at:], '\n')
	if n < 0 {
		s.at = len(s.text)
		return
	}
	s.at += n + 1
}

// next returns the next character, or a line break behind the last.
func (s *plainReader) next() byte { return s.peek(0) }

// peek returns the character behind as many others.
func (s *plainReader) peek(others int) byte {
	if s.at+others >= len(s.text) {
		return '\n'
	}
	return s.text[s.at+others]
}

// mapping reads a mapping whose keys stand at an indentation, from its first key
// to the line behind it. Like all that reads a node, it returns nil where there is
// anything that is not read by hand.
func (s *plainReader) mapping(indent int) *yaml.Node {
	if s.depth++; s.depth > plainDepth {
		return nil
	}
	n := s.node(yaml.MappingNode, tagMapping)
	first := s.tree.open()
	for {
		key := s.key()
		if key == nil {
			return nil
		}
		value := s.value(indent)
		if value == nil {
			return nil
		}
		s.tree.add(key)
		s.tree.add(value)
		if s.indent != indent {
			break
		}
	}
	s.tree.close(n, first)
	s.depth--
	if s.indent > indent {
		return nil
	}
	return n
}

// key reads a key with its colon.
func (s *plainReader) key() *yaml.Node {
	size := s.sizeOfKey()
	if size == 0 {
		return nil
	}
	n := s.node(yaml.ScalarNode, plainTag(s.text[s.at:s.at+size]))
	n.Value = s.text[s.at : s.at+size]
	s.at += size + len(":")
	if n.Tag != tagText {
		return nil
	}
	return n
}

// sizeOfKey returns how long the key is that stands here, or zero.
func (s *plainReader) sizeOfKey() int {
	if !isLetter(s.next()) {
		return 0
	}
	size := 1
	for isKeyByte(s.peek(size)) {
		size++
	}
	if behind := s.peek(size + 1); s.peek(size) != ':' || behind != ' ' && behind != '\n' || size > plainKey {
		return 0
	}
	return size
}

// value reads the value of a key at an indentation, from behind the colon to the
// line behind the value.
func (s *plainReader) value(indent int) *yaml.Node {
	behind := s.at
	if s.skipSpaces(); s.next() != '\n' && s.next() != '#' {
		return s.inLine()
	}
	s.at = behind
	switch {
	case !s.endLine():
		return nil
	case s.indent == indent && s.isDash():
		return s.sequence(indent)
	case s.indent <= indent:
		return nil // A value that was left out.
	case s.isDash():
		return s.sequence(s.indent)
	default:
		return s.mapping(s.indent)
	}
}

// isDash reports whether an element of a list begins here.
func (s *plainReader) isDash() bool { return s.next() == '-' && s.peek(1) == ' ' }

// sequence reads a list whose dashes stand at an indentation, from its first dash
// to the line behind it.
func (s *plainReader) sequence(indent int) *yaml.Node {
	if s.depth++; s.depth > plainDepth {
		return nil
	}
	n := s.node(yaml.SequenceNode, tagSequence)
	first := s.tree.open()
	for {
		item := s.item()
		if item == nil {
			return nil
		}
		s.tree.add(item)
		if s.indent != indent || !s.isDash() {
			break
		}
	}
	s.tree.close(n, first)
	s.depth--
	if s.indent > indent {
		return nil
	}
	return n
}

// item reads an element of a list, from its dash to the line behind it.
func (s *plainReader) item() *yaml.Node {
	s.at += len("-")
	s.skipSpaces()
	if s.sizeOfKey() == 0 {
		return s.inLine()
	}
	return s.mapping(s.at - s.start)
}

// inLine reads a value that ends on its line, and goes to the line behind it.
func (s *plainReader) inLine() *yaml.Node {
	n := s.flow(false)
	if n == nil || !s.endLine() {
		return nil
	}
	return n
}

// node returns a node that begins here.
func (s *plainReader) node(kind yaml.Kind, tag string) *yaml.Node {
	n := s.tree.node()
	n.Kind, n.Tag = kind, tag
	n.Line, n.Column = s.line, s.at-s.start+1
	return n
}
