package etcd

import (
	"hash/crc32"
	"strings"
)

// Bounds of what is written and read. etcd takes requests of 1.5 MiB, and the
// envelope's own JSON needs room too.
const (
	maxBody  = 512 << 10 // a larger body is cut into blobs
	maxList  = 64 << 10  // a larger list of lines is kept in blobs
	maxBlob  = 512 << 10
	maxValue = 2 << 20 // no value of ours is larger
	maxBlobs = 1024    // no body or list has more
)

// A blobs is content-addressed pieces that are to be written.
type blobs struct {
	order []string
	data  map[string]string
}

func (b *blobs) add(data string) (hash string) {
	hash = hashOf([]byte(data))
	if b.data == nil {
		b.data = map[string]string{}
	}
	if _, there := b.data[hash]; !there {
		b.data[hash] = data
		b.order = append(b.order, hash)
	}
	return hash
}

// cut adds the pieces of a body.
func (b *blobs) cut(body []byte) []string {
	var hashes []string
	for len(body) > 0 {
		n := min(len(body), maxBlob)
		hashes = append(hashes, b.add(string(body[:n])))
		body = body[n:]
	}
	return hashes
}

// A lines is a list of texts without line feeds: in the value if it is short, else
// in blobs.
type lines struct {
	Lines []string `json:"lines,omitempty"`
	Blobs []string `json:"blobs,omitempty"`
	// Count is how many lines the blobs hold.
	Count int `json:"count,omitempty"`
}

// Where a list is cut depends on the lines themselves, so that lists that differ
// in a few lines have all but a few blobs in common. A blob has usualBlob bytes on
// average, and leastBlob at least.
const (
	leastBlob = 32 << 10
	usualBlob = 128 << 10
)

// addLines returns a list as a value holds it, and adds the blobs that it needs.
func (b *blobs) addLines(list []string) *lines {
	size := 0
	for _, line := range list {
		size += len(line) + 1
	}
	if size <= maxList {
		return &lines{Lines: list}
	}
	out := &lines{Count: len(list)}
	var piece strings.Builder
	flush := func() {
		if piece.Len() > 0 {
			out.Blobs = append(out.Blobs, b.add(piece.String()))
			piece.Reset()
		}
	}
	for _, line := range list {
		if piece.Len() > 0 && piece.Len()+len(line) >= maxBlob {
			flush()
		}
		piece.WriteString(line)
		piece.WriteByte('\n')
		if piece.Len() >= leastBlob && endsBlob(line) {
			flush()
		}
	}
	flush()
	return out
}

// endsBlob reports whether a blob ends with a line: the longer the line, the more
// likely.
func endsBlob(line string) bool {
	return uint64(crc32.ChecksumIEEE([]byte(line)))*usualBlob < uint64(len(line))<<32
}

// join returns the lines of a list whose blobs were fetched.
func (l *lines) join(pieces []string) ([]string, error) {
	if l == nil {
		return nil, nil
	}
	if len(l.Blobs) == 0 {
		return l.Lines, nil
	}
	list := make([]string, 0, min(l.Count, maxLines))
	for _, piece := range pieces {
		for piece != "" {
			line, rest, ended := strings.Cut(piece, "\n")
			if !ended {
				return nil, fault{codeCorrupt, "a blob of its list does not end with a line", mendCorrupt}
			}
			list, piece = append(list, line), rest
		}
	}
	if len(list) != l.Count {
		return nil, fault{codeCorrupt, "its list has another length than it says", mendCorrupt}
	}
	return list, nil
}

// maxLines bounds what is set aside for a list before its blobs were seen.
const maxLines = 1 << 22
