package h2

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/status"
)

// contentType is that of gRPC.
const contentType = "application/grpc"

// A headerWriter encodes the headers and trailers of answers.
type headerWriter struct {
	encoder *hpack.Encoder
	block   bytes.Buffer
	// head and ok are the blocks that begin and end every answer to a call, once the peer
	// has them in its table so that they refer to it alone; nil before.
	head, ok []byte
}

func (w *headerWriter) init() { w.encoder = hpack.NewEncoder(&w.block) }

// resize follows the peer's SETTINGS_HEADER_TABLE_SIZE. The encoder uses no more
// than it did at first.
func (w *headerWriter) resize(size uint32) {
	w.encoder.SetMaxDynamicTableSize(size)
	w.head, w.ok = nil, nil
}

// encode encodes a block, which is good until the next one.
func (w *headerWriter) encode(fields ...hpack.HeaderField) []byte {
	w.block.Reset()
	for _, field := range fields {
		_ = w.encoder.WriteField(field) // writing to a buffer does not fail
	}
	block := w.block.Bytes()
	if !refersOnly(block) {
		w.head, w.ok = nil, nil // the table has moved
	}
	return block
}

// appendHead begins an answer to a call.
func (w *headerWriter) appendHead(dst []byte, stream uint32) []byte {
	block := w.head
	if block == nil {
		block = w.encode(
			hpack.HeaderField{Name: ":status", Value: "200"},
			hpack.HeaderField{Name: "content-type", Value: contentType})
		if refersOnly(block) {
			w.head = bytes.Clone(block)
		}
	}
	return appendBlock(dst, stream, 0, block)
}

// appendOK ends an answer to a call.
func (w *headerWriter) appendOK(dst []byte, stream uint32) []byte {
	block := w.ok
	if block == nil {
		block = w.encode(hpack.HeaderField{Name: "grpc-status", Value: "0"})
		if refersOnly(block) {
			w.ok = bytes.Clone(block)
		}
	}
	return appendBlock(dst, stream, http2.FlagHeadersEndStream, block)
}

// appendFailure ends an answer whose head was written with an error.
func (w *headerWriter) appendFailure(dst []byte, stream uint32, failure *status.Status) []byte {
	return appendBlock(dst, stream, http2.FlagHeadersEndStream, w.encode(
		hpack.HeaderField{Name: "grpc-status", Value: strconv.Itoa(int(failure.Code()))},
		// It differs from one to the next, and has no place in the table.
		hpack.HeaderField{Name: "grpc-message", Value: percentEncoded(failure.Message()), Sensitive: true}))
}

// appendStatus answers a request with an HTTP status and nothing else.
func (w *headerWriter) appendStatus(dst []byte, stream uint32, code int) []byte {
	return appendBlock(dst, stream, http2.FlagHeadersEndStream,
		w.encode(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(code)}))
}

// appendBlock writes a header block, in as many frames as it takes.
func appendBlock(dst []byte, stream uint32, flags http2.Flags, block []byte) []byte {
	kind := http2.FrameHeaders
	for len(block) > maxFrame {
		dst = appendFrameHeader(dst, maxFrame, kind, flags, stream)
		dst = append(dst, block[:maxFrame]...)
		block = block[maxFrame:]
		kind, flags = http2.FrameContinuation, 0
	}
	dst = appendFrameHeader(dst, len(block), kind, flags|http2.FlagHeadersEndHeaders, stream)
	return append(dst, block...)
}

// percentEncoded is the form that a grpc-message has.
func percentEncoded(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&0xf]})
		}
	}
	return b.String()
}
