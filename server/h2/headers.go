package h2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A headerReader puts header blocks together and decodes them.
type headerReader struct {
	decoder *hpack.Decoder
	// fields are those of the block that was decoded last, and size is their size; too
	// many are not kept.
	fields []hpack.HeaderField
	size   int

	// A block that is not whole yet: its stream, or 0, what has come of it, in how many
	// frames, and what the first of them said.
	stream    uint32
	block     []byte
	frames    int
	end, self bool

	// lastCall is a block, as it came, that began a call; it is nil where there was none or
	// the table has changed since. What refers to the table alone and is the same
	// means the same.
	lastCall []byte
}

// callTableBytes is the size of the table by which headers are compressed, the
// protocol's own (RFC 7540, section 6.5.2).
const callTableBytes = 4096

func (r *headerReader) init() {
	r.decoder = hpack.NewDecoder(callTableBytes, func(field hpack.HeaderField) {
		if r.size += int(field.Size()); r.size <= maxHeaderList {
			r.fields = append(r.fields, field)
		}
	})
	r.decoder.SetMaxStringLength(maxHeaderText)
}

// decode decodes a block. What is wrong with it leaves the tables of both ends
// apart, and so it ends the connection (RFC 9113, section 4.3).
func (r *headerReader) decode(block []byte) error {
	if !refersOnly(block) {
		r.lastCall = nil
	}
	clear(r.fields)
	r.fields, r.size = r.fields[:0], 0
	_, err := r.decoder.Write(block)
	if err == nil {
		err = r.decoder.Close()
	}
	if err != nil {
		return &connError{http2.ErrCodeCompression, fmt.Sprintf("a header block that cannot be decoded: %v", err)}
	}
	return nil
}

// refersOnly reports whether a block consists of references to the tables alone, of
// one byte each: it leaves the tables as they are (RFC 7541, section 6.1).
func refersOnly(block []byte) bool {
	const (
		reference = 0x80
		longer    = 0xff // the reference goes on in the next byte
	)
	for _, b := range block {
		if b < reference || b == longer {
			return false
		}
	}
	return true
}

// headers takes a HEADERS frame (RFC 9113, section 6.2).
func (c *conn) headers(f *frame) error {
	if f.stream%2 == 0 {
		return &connError{http2.ErrCodeProtocol, fmt.Sprintf("HEADERS on stream %d", f.stream)}
	}
	block, err := f.unpadded()
	if err != nil {
		return err
	}
	self := false
	if f.flags.Has(http2.FlagHeadersPriority) {
		const priority = 5
		if len(block) < priority {
			return &connError{http2.ErrCodeFrameSize, "HEADERS too short for their priority"}
		}
		self = binary.BigEndian.Uint32(block)&streamMask == f.stream
		block = block[priority:]
	}
	end := f.flags.Has(http2.FlagHeadersEndStream)
	if f.flags.Has(http2.FlagHeadersEndHeaders) {
		return c.headerBlock(f.stream, block, end, self)
	}
	r := &c.requests
	r.stream, r.end, r.self, r.frames = f.stream, end, self, 1
	r.block = append(r.block[:0], block...)
	c.watch.blockLooks = 0
	return nil
}

// continuation takes a CONTINUATION frame (RFC 9113, section 6.10).
func (c *conn) continuation(f *frame) error {
	r := &c.requests
	if r.stream == 0 {
		return &connError{http2.ErrCodeProtocol, "CONTINUATION of nothing"}
	}
	r.frames++
	if r.frames > maxContinuations || len(r.block)+len(f.payload) > maxHeaderBlock {
		return &connError{http2.ErrCodeEnhanceYourCalm, "a header block that is too long"}
	}
	r.block = append(r.block, f.payload...)
	if !f.flags.Has(http2.FlagContinuationEndHeaders) {
		return nil
	}
	stream := r.stream
	r.stream = 0
	return c.headerBlock(stream, r.block, r.end, r.self)
}

// headerBlock takes a block that is whole: the headers or the trailers of a request.
func (c *conn) headerBlock(stream uint32, block []byte, end, self bool) error {
	if stream > c.last {
		return c.request(stream, block, end, self)
	}
	r := &c.requests
	if err := r.decode(block); err != nil {
		return err
	}
	s := c.streams[stream]
	underWay := s == nil && (c.resets.has(stream) || c.drain.ignores(stream))
	switch {
	case !underWay && (s == nil || s.ended):
		return &connError{http2.ErrCodeStreamClosed, "HEADERS of a stream that is closed"}
	case !end || self || r.size > maxHeaderList || !areTrailers(r.fields):
		return c.resetStream(stream, http2.ErrCodeProtocol)
	case underWay:
		return nil
	}
	s.ended = true
	return c.feed(s, nil, 0)
}

// request takes the headers of a request that is new. Most clients send the same for
// every call, which then is nothing but references to the table, and is known by its
// bytes.
func (c *conn) request(stream uint32, block []byte, end, self bool) error {
	r := &c.requests
	isCall := r.lastCall != nil && !self && bytes.Equal(block, r.lastCall)
	if !isCall {
		if err := r.decode(block); err != nil {
			return err
		}
	}
	c.last = stream
	switch {
	case c.drain.ignores(stream):
		return nil
	case len(c.streams) >= maxStreams:
		return c.resetStream(stream, http2.ErrCodeRefusedStream)
	case isCall:
		return c.startCall(stream, end)
	case r.size > maxHeaderList:
		c.refuse(stream, end, http.StatusRequestHeaderFieldsTooLarge)
		return c.watch.control()
	}
	head, ok := readHead(r.fields)
	switch {
	case !ok || self:
		return c.resetStream(stream, http2.ErrCodeProtocol)
	case head.isCall(c.server.options.Method):
		if refersOnly(block) {
			r.lastCall = append(r.lastCall[:0], block...)
		}
		return c.startCall(stream, end)
	case c.exchanges >= maxExchanges:
		return c.resetStream(stream, http2.ErrCodeRefusedStream)
	}
	return c.startExchange(stream, &head, end)
}

// A head is what the headers of a request say.
type head struct {
	method, scheme, path, authority string
	// fields are all but those. They are good until the next block is decoded.
	fields []hpack.HeaderField
	// plain says that they are those of a call in the one form that is answered here.
	plain bool
	// length is that of the body, or -1.
	length int64
}

// isCall says whether a request is a call to be answered here.
func (h *head) isCall(method string) bool {
	return h.plain && h.path == method && h.method == http.MethodPost
}

// readHead checks a request's headers (RFC 9113, sections 8.2 and 8.3).
func readHead(fields []hpack.HeaderField) (h head, ok bool) {
	h.length = -1
	regular := 0
	for regular < len(fields) && fields[regular].IsPseudo() {
		field := &fields[regular]
		var to *string
		switch field.Name {
		case ":method":
			to = &h.method
		case ":scheme":
			to = &h.scheme
		case ":path":
			to = &h.path
		case ":authority":
			to = &h.authority
		}
		if to == nil || *to != "" || field.Value == "" || !httpguts.ValidHeaderFieldValue(field.Value) {
			return head{}, false
		}
		*to = field.Value
		regular++
	}
	h.fields = fields[regular:]
	if h.method == "" || h.scheme == "" || !isPath(&h) || !areTrailers(h.fields) {
		return head{}, false
	}
	return h, h.readFields()
}

// isPath reports whether a request has a path (RFC 9113, section 8.3.1).
func isPath(h *head) bool {
	return strings.HasPrefix(h.path, "/") || (h.path == "*" && h.method == http.MethodOptions)
}

// areTrailers reports whether fields may stand in a request after its pseudo-headers.
func areTrailers(fields []hpack.HeaderField) bool {
	for i := range fields {
		field := &fields[i]
		if !isFieldName(field.Name) || !httpguts.ValidHeaderFieldValue(field.Value) || strings.TrimSpace(field.Value) != field.Value {
			return false
		}
		switch field.Name {
		case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
			return false // they are of HTTP/1.1 (RFC 9113, section 8.2.2)
		case "te":
			if field.Value != "trailers" {
				return false
			}
		}
	}
	return true
}

// isFieldName reports whether a name is one, in lower case as it must be.
func isFieldName(name string) bool {
	for i := range len(name) {
		if b := name[i]; 'A' <= b && b <= 'Z' {
			return false
		}
	}
	return httpguts.ValidHeaderFieldName(name)
}

// readFields looks for what decides who answers.
func (h *head) readFields() bool {
	contentTypes := 0
	h.plain = true
	for i := range h.fields {
		name, value := h.fields[i].Name, h.fields[i].Value
		switch name {
		case "content-type":
			contentTypes++
			h.plain = h.plain && value == contentType
		case "content-length":
			length, err := strconv.ParseUint(value, 10, 63)
			if err != nil || (h.length >= 0 && h.length != int64(length)) {
				return false
			}
			h.length, h.plain = int64(length), false
		case "grpc-encoding":
			h.plain = h.plain && value == "identity"
		case "grpc-timeout":
			h.plain = h.plain && isTimeout(value)
		default:
			if strings.HasSuffix(name, "-bin") {
				h.plain = false // it would have to be checked
			}
		}
	}
	h.plain = h.plain && contentTypes == 1
	return true
}

// isTimeout reports whether a text is a timeout of gRPC: up to eight digits and a
// unit. A call is answered at once, whatever its timeout.
func isTimeout(text string) bool {
	const (
		longest = 8
		units   = "HMSmun"
	)
	digits := len(text) - 1
	if digits < 1 || digits > longest || strings.IndexByte(units, text[digits]) < 0 {
		return false
	}
	return strings.Trim(text[:digits], "0123456789") == ""
}
