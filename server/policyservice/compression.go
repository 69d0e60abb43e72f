package policyservice

import (
	"compress/gzip"
	"fmt"
	"io"

	"connectrpc.com/connect"
)

// withGzip lets requests be compressed. Of one that is larger than a method takes
// once it is unpacked, no more is unpacked than shows that: connect would go on to the
// end, to say how large it is.
func withGzip(limit int) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &unpacker{limit: int64(limit) + 1} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) })
}

// An unpacker unpacks so many bytes at the most, and ends there.
type unpacker struct {
	packed      gzip.Reader
	limit, left int64
}

var _ connect.Decompressor = (*unpacker)(nil)

// Read implements [io.Reader].
func (u *unpacker) Read(into []byte) (int, error) {
	if u.left == 0 {
		return 0, io.EOF
	}
	n, err := u.packed.Read(into[:min(int64(len(into)), u.left)])
	u.left -= int64(n)
	return n, err //nolint:wrapcheck // in place of the reader
}

// Close ends reading.
func (u *unpacker) Close() error {
	if err := u.packed.Close(); err != nil {
		return fmt.Errorf("unpack a request: %w", err)
	}
	return nil
}

// Reset begins with another request.
func (u *unpacker) Reset(packed io.Reader) error {
	u.left = u.limit
	if err := u.packed.Reset(packed); err != nil {
		return fmt.Errorf("unpack a request: %w", err)
	}
	return nil
}
