package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func pieces(b *blobs, l *lines) []string {
	var list []string
	for _, hash := range l.Blobs {
		list = append(list, b.data[hash])
	}
	return list
}

// TestLines cuts lists of any length and joins them again.
func TestLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b blobs
		list := rapid.SliceOf(rapid.StringMatching(`[a-z:/.\-]{0,60}`)).Draw(t, "list")
		list = slices.Repeat(list, rapid.SampledFrom([]int{1, 1, 500}).Draw(t, "times"))
		l := b.addLines(list)
		got, err := l.join(pieces(&b, l))
		if err != nil || !slices.Equal(got, list) {
			t.Fatalf("%d lines in %d blobs came back as %d: %v", len(list), len(l.Blobs), len(got), err)
		}
		for _, data := range b.data {
			if len(data) > maxBlob {
				t.Fatalf("a blob has %d bytes", len(data))
			}
		}
	})
}

// TestLinesShare holds that lists that differ in one line share all but a few blobs,
// wherever the line is.
func TestLinesShare(t *testing.T) {
	t.Parallel()
	list := make([]string, 200_000)
	for i := range list {
		list[i] = fmt.Sprintf("https://customer-%d.example", i)
	}
	for _, at := range []int{0, 100_000, len(list)} {
		var b blobs
		before := len(b.addLines(list).Blobs)
		b.addLines(slices.Insert(slices.Clone(list), at, "https://one-more.example"))
		if added := len(b.order) - before; before < 20 || added > 2 {
			t.Errorf("a line more at %d of %d took %d blobs more than %d", at, len(list), added, before)
		}
	}
}

func TestLinesRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines  lines
		pieces []string
		want   string
	}{
		"half a line": {lines{Blobs: []string{""}, Count: 1}, []string{"https://a.example"}, "does not end with a line"},
		"too few":     {lines{Blobs: []string{""}, Count: 2}, []string{"https://a.example\n"}, "has another length than it says"},
	} {
		if _, err := test.lines.join(test.pieces); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: join returned %v", name, err)
		}
	}
}

// FuzzOpen reads envelopes of any sort: what is not refused has the content that its
// hash says.
func FuzzOpen(f *testing.F) {
	var b blobs
	value, _, err := seal(entryBody{Revision: 7, Changes: []changeBody{{}}}, &b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"format": 2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := open(value)
		if err != nil {
			return
		}
		var body entryBody
		if err := e.read(e.Body, &body); err == nil && hashOf(e.Body) != e.SHA256 {
			t.Errorf("a body was read whose hash is another")
		}
	})
}
