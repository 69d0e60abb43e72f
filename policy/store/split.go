package store

import (
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// A part is one document of a file, as the text that is kept of it.
type part struct {
	text string
	doc  *policy.Document // as the text alone is read
}

// split returns the parts of a file, in the order of its documents, or nil where
// they cannot be told apart. The text of an only document is the whole file.
func split(data string, docs []policy.Document) []part {
	if len(docs) == 1 {
		return []part{{data, &docs[0]}}
	}
	var parts []part
	for piece := range pieces(data) {
		if !holdsDocument(piece) {
			continue
		}
		alone, problems := document.Read("", []byte(piece))
		if len(problems) > 0 || len(alone) != 1 || len(parts) == len(docs) {
			return nil
		}
		first, _ := keyOf(alone[0].Message)
		if second, _ := keyOf(docs[len(parts)].Message); first != second {
			return nil
		}
		parts = append(parts, part{piece, &alone[0]})
	}
	if len(parts) != len(docs) {
		return nil
	}
	return parts
}

// pieces yields what stands between the lines of a file that begin with "---".
func pieces(data string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		begin := 0
		for at := 0; at < len(data); {
			end := len(data)
			if i := strings.IndexByte(data[at:], '\n'); i >= 0 {
				end = at + i + 1
			}
			line := strings.TrimRight(data[at:end], " \t\r\n")
			if line == "---" || strings.HasPrefix(line, "--- ") || line == "..." {
				if !yield(data[begin:at]) {
					return
				}
				begin = end
				if strings.HasPrefix(line, "--- ") && !strings.HasPrefix(strings.TrimLeft(line[3:], " \t"), "#") {
					begin = at + len("---") // the document goes on behind the mark
				}
			}
			at = end
		}
		yield(data[begin:])
	}
}

// holdsDocument reports whether a piece holds more than comments.
func holdsDocument(piece string) bool {
	for line := range strings.SplitSeq(piece, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return true
		}
	}
	return false
}
