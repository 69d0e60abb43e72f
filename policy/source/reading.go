package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
)

const (
	// maxFileSize is what one file may hold: a million origins fit in it twice.
	maxFileSize = 64 << 20
	// maxTries is how often files that change while they are read are read.
	maxTries = 5
	// tryPause is how long to wait before the second try; before the third it is
	// twice as long, and so on.
	tryPause = 10 * time.Millisecond
)

var errTooLarge = errors.New("file too large")

// digest identifies content.
type digest [sha256.Size]byte

// A reading is what the files held at one moment.
type reading struct {
	*listing

	contents []content // beside the listing's files
	problems policy.Problems
	// rested is false where the files never stopped changing.
	rested bool
	// digest is of all that a snapshot depends on.
	digest digest
	// buffer lent the memory of the contents.
	buffer *buffer
}

// release gives back the memory of what was read, which nobody may look at any more.
// Documents hold copies.
func (r *reading) release() {
	for i := range r.contents {
		r.buffer.giveBack(r.contents[i].data)
		r.contents[i].data = nil
	}
}

// A content is what one file held.
type content struct {
	data   []byte
	digest digest
	faulty bool // it could not be read
}

// read reads the files that are listed, all as they are at one moment, some of them
// at once. The only error is that ctx has ended.
func read(ctx context.Context, where string, list func() *listing, atOnce int, buffer *buffer) (*reading, error) {
	for try := range maxTries {
		if err := pause(ctx, time.Duration(try)*tryPause); err != nil {
			return nil, err
		}
		l := list()
		r, err := readAll(ctx, l, atOnce, buffer)
		if err != nil {
			return nil, err
		}
		if l.unchanged(list()) {
			r.rested = true
			r.seal()
			return r, nil
		}
		r.release()
	}
	r := &reading{listing: &listing{}, problems: policy.Problems{problemChanging(where)}}
	r.seal()
	return r, nil
}

// readAll reads each file of a listing once.
func readAll(ctx context.Context, l *listing, atOnce int, buffer *buffer) (*reading, error) {
	r := &reading{listing: l, contents: make([]content, len(l.files)), buffer: buffer}
	r.problems = append(r.problems, l.problems...)
	found := make([]*policy.Problem, len(l.files))
	if err := each(ctx, len(l.files), atOnce, func(i int) { r.contents[i], found[i] = readContent(l.files[i], buffer) }); err != nil {
		return nil, err
	}
	for _, p := range found {
		if p != nil {
			r.problems = append(r.problems, *p)
		}
	}
	return r, nil
}

// each calls do with each number below n, some of them at once. The only error is
// that ctx has ended. One of those who call is the caller, and may be the only one.
func each(ctx context.Context, n, atOnce int, do func(i int)) error {
	return spread(n, atOnce, func(i int) error {
		if err := ctx.Err(); err != nil {
			return errEnded(err)
		}
		do(i)
		return nil
	})
}

// spread is each for what is over in a moment, or can fail: then the rest is left out.
func spread(n, atOnce int, do func(i int) error) error {
	// Whoever is free takes the next: most files are small, and there may be
	// thousands.
	var next atomic.Int64
	some := func() error {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	var group errgroup.Group
	for range min(n, atOnce) - 1 {
		group.Go(some)
	}
	err := some()
	if other := group.Wait(); err == nil {
		err = other
	}
	return err //nolint:wrapcheck // errEnded has said what ended
}

// readContent reads one file, or says why it cannot.
func readContent(f file, buffer *buffer) (content, *policy.Problem) {
	data, found := readFile(f, buffer)
	if found == nil && len(bytes.TrimSpace(data)) == 0 {
		p := problemEmpty(f.name)
		found = &p
	}
	if found != nil {
		return content{faulty: true}, found
	}
	return content{data: data, digest: digestOf(data)}, nil
}

// hashAtOnce is how much is hashed in one call. The runtime cannot interrupt one,
// and whatever must stop all goroutines for a moment, such as the beginning of a
// garbage collection, waits for its end; meanwhile nobody gets an answer.
const hashAtOnce = 128 << 10

func digestOf(data []byte) (d digest) {
	h := sha256.New()
	for part := range slices.Chunk(data, hashAtOnce) {
		h.Write(part)
	}
	h.Sum(d[:0])
	return d
}

// seal computes the digest.
func (r *reading) seal() {
	h := sha256.New()
	for i, c := range r.contents {
		h.Write(fmt.Appendf(nil, "%q %x\n", r.files[i].name, c.digest))
	}
	for _, p := range r.problems {
		h.Write(fmt.Appendf(nil, "%q\n", p.Error()))
	}
	h.Sum(r.digest[:0])
}

// readFile reads one file, whatever may have taken its place since it was listed.
func readFile(f file, buffer *buffer) ([]byte, *policy.Problem) {
	data, err := readRegular(f.path, buffer)
	var p policy.Problem
	var kindErr kindError
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, errTooLarge):
		p = problemTooLarge(f.name, maxFileSize)
	case errors.As(err, &kindErr):
		p = problemKind(f.name, kindErr.mode)
	default:
		p = problemAccess(f.name, f.path, err)
	}
	return nil, &p
}

// kindError is of something that is no regular file.
type kindError struct{ mode os.FileMode }

func (e kindError) Error() string { return "is " + kind(e.mode) }

func readRegular(path string, buffer *buffer) ([]byte, error) {
	// Without O_NONBLOCK, a named pipe would block until somebody writes.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the user names the paths
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, kindError{info.Mode()}
	}
	if info.Size() > maxFileSize {
		return nil, errTooLarge
	}
	// The size is what it was a moment ago, and a file may grow. Where it has not, the
	// first read finds all of it, and room for more.
	data, filled := buffer.take(int(info.Size())+1), 0
	for {
		n, err := f.Read(data[filled:])
		filled += n
		switch {
		case filled > maxFileSize:
			return nil, errTooLarge
		case err == io.EOF || err == nil && int64(filled) == info.Size() && filled > 0:
			return data[:filled], nil
		case err != nil:
			return nil, fmt.Errorf("read the file: %w", err)
		case filled == len(data):
			data = slices.Grow(data, bytes.MinRead)
			data = data[:cap(data)]
		}
	}
}

// errEnded says that reading stopped because its context ended.
func errEnded(err error) error { return fmt.Errorf("read the policies: %w", err) }

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return errEnded(err)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errEnded(ctx.Err())
	case <-timer.C:
		return nil
	}
}
