package document_test

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// FuzzRead checks that no stream of bytes crashes the reader, and that every
// position it gives lies within the stream.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", "testdata/good/*.json"} {
		for _, file := range glob(f, pattern) {
			f.Add(read(f, file))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, problems := document.Read("f", data)
		checkProblems(t, data, problems)
		lengths := lineLengths(data)
		for _, doc := range docs {
			checkPlace(t, doc.Root, lengths)
		}
		again, same := document.Read("f", data)
		if len(again) != len(docs) || !slices.Equal(problems, same) {
			t.Error("a second reading differs from the first")
		}
	})
}

// checkPlace checks that a place and those below it lie within a stream.
func checkPlace(t *testing.T, p *policy.Place, lengths []int) {
	t.Helper()
	if p == nil || p.Line < 1 || int(p.Line) > len(lengths) || p.Column < 1 || int(p.Column) > lengths[p.Line-1]+1 {
		t.Fatalf("a place lies outside of the file: %+v", p)
	}
	for _, field := range p.Fields {
		checkPlace(t, field, lengths)
	}
	for i := range p.Len() {
		checkPlace(t, p.Item(i), lengths)
	}
}

// lineLengths returns the length of each line in characters.
func lineLengths(data []byte) []int {
	data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	var lengths []int
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		lengths = append(lengths, utf8.RuneCount(line))
	}
	return lengths
}
