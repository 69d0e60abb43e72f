package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// An exchange is a request that the handler answers. It is the body of the request
// and the writer of its answer.
type exchange struct {
	conn   *conn
	stream *stream
	cancel context.CancelFunc
	// left is how much of the body is still to come where its length was said, or -1.
	left int64
	// noBody says that the answer has none, as that to HEAD.
	noBody bool
	// unread says that the handler has no use for the rest of the request.
	unread bool

	header   http.Header
	began    bool     // the header was sent
	trailers []string // their names, as the header announced them
	unsent   []byte
}

var (
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
	_ io.ReadCloser       = (*exchange)(nil)
)

// errGivenUp is what the handler gets where the stream is over.
var errGivenUp = errors.New("the peer gave the request up, or the connection ended")

// startExchange gives a request to the handler.
func (c *conn) startExchange(id uint32, h *head, end bool) error {
	if end && h.length > 0 {
		return c.resetStream(id, http2.ErrCodeProtocol) // RFC 9113, section 8.1.1
	}
	ctx, cancel := context.WithCancel(context.WithValue(c.ctx, http.LocalAddrContextKey, c.raw.LocalAddr()))
	request := c.newRequest(ctx, h)
	s := c.open(id)
	x := &exchange{conn: c, stream: s, cancel: cancel, left: h.length, noBody: h.method == http.MethodHead, header: make(http.Header)}
	s.exchange, s.ended = x, end
	request.Body = x
	c.exchanges++
	c.server.handlers.Go(func() { x.serve(request) })
	return nil
}

// newRequest puts the request together, as net/http does.
func (c *conn) newRequest(ctx context.Context, h *head) *http.Request {
	r := &http.Request{
		// To gRPC a path is a name; what looks like a query is part of it.
		Method: h.method, URL: &url.URL{Path: h.path}, RequestURI: h.path, Host: h.authority,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: make(http.Header, len(h.fields)),
		ContentLength: h.length, RemoteAddr: c.raw.RemoteAddr().String(), TLS: c.tls,
	}
	for i := range h.fields {
		r.Header.Add(h.fields[i].Name, h.fields[i].Value)
	}
	if r.Host == "" {
		r.Host = r.Header.Get("Host")
	}
	return r.WithContext(ctx)
}

// serve runs the handler and ends the answer.
func (x *exchange) serve(request *http.Request) {
	c := x.conn
	panicked := true
	defer func() {
		if panicked {
			c.server.logger.LogAttrs(request.Context(), slog.LevelError, "a panic ended a request; this is a defect in corsgate",
				slog.String("path", request.URL.Path), slog.String("panic", fmt.Sprint(recover())), slog.String("stack", string(debug.Stack())))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		x.end(panicked)
	}()
	c.server.options.Others.ServeHTTP(x, request)
	panicked = false
}

// end ends the answer, and the stream with it.
func (x *exchange) end(failed bool) {
	c, s := x.conn, x.stream
	c.exchanges--
	switch {
	case s.closed:
	case failed:
		_ = c.resetStream(s.id, http2.ErrCodeInternal)
	default:
		x.finish()
	}
	x.cancel()
	_ = c.turn() // the goroutine that reads learns of it too
	if c.drain.over(len(c.streams)) {
		c.wake()
	}
}

// finish sends what is left of the answer, and its trailers.
func (x *exchange) finish() {
	c, s := x.conn, x.stream
	x.begin(http.StatusOK)
	if x.send() != nil {
		return
	}
	if fields := x.trailerFields(); len(fields) > 0 {
		c.output = appendBlock(c.output, s.id, http2.FlagHeadersEndStream, c.answers.encode(fields...))
	} else {
		c.output = appendFrameHeader(c.output, 0, http2.FrameData, http2.FlagDataEndStream, s.id)
	}
	if !s.ended {
		c.output = appendReset(c.output, s.id, http2.ErrCodeNo)
	}
	c.close(s)
}

// feed gives the handler what came of its request.
func (c *conn) feed(s *stream, content []byte, length int) error {
	if s.exchange == nil {
		return c.callData(s, content)
	}
	if x := s.exchange; x.left >= 0 {
		x.left -= int64(len(content))
		if x.left < 0 || (s.ended && x.left > 0) {
			return c.resetStream(s.id, http2.ErrCodeProtocol) // RFC 9113, section 8.1.1
		}
	}
	s.body = append(s.body, content...)
	if padding := length - len(content); padding > 0 && !s.ended {
		s.in += padding // nobody will read it
		c.output = appendWindowUpdate(c.output, s.id, padding)
	}
	c.changed.Broadcast()
	return nil
}

// Read reads from the request, and lets the peer send as much again.
func (x *exchange) Read(p []byte) (int, error) {
	c, s := x.conn, x.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(s.body) == 0 && !s.ended && !s.closed && !x.unread {
		c.changed.Wait()
	}
	if x.unread {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(s.body) == 0 || s.closed {
		if s.ended && !s.closed {
			return 0, io.EOF
		}
		return 0, errGivenUp
	}
	n := copy(p, s.body)
	s.body = s.body[n:]
	if !s.ended && n > 0 {
		s.in += n
		c.output = appendWindowUpdate(c.output, s.id, n)
		return n, c.turn()
	}
	return n, nil
}

// Close says that nobody reads the request any more, whoever waits in Read included.
func (x *exchange) Close() error {
	x.conn.mu.Lock()
	defer x.conn.mu.Unlock()
	x.unread = true
	x.conn.changed.Broadcast()
	return nil
}

// Header returns the headers of the answer, and later its trailers.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader sends the headers.
func (x *exchange) WriteHeader(code int) {
	x.conn.mu.Lock()
	defer x.conn.mu.Unlock()
	x.begin(code)
}

// begin puts the headers into the output, unless they were.
func (x *exchange) begin(code int) {
	if x.began {
		return
	}
	x.began = true
	for _, names := range x.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			x.trailers = append(x.trailers, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	fields := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(code)}}
	for _, name := range slices.Sorted(maps.Keys(x.header)) {
		if name != "Trailer" && !strings.HasPrefix(name, http.TrailerPrefix) && !slices.Contains(x.trailers, name) {
			fields = x.appendFields(fields, name, name)
		}
	}
	if !x.stream.closed {
		x.conn.output = appendBlock(x.conn.output, x.stream.id, 0, x.conn.answers.encode(fields...))
	}
}

// trailerFields are the trailers: those that were announced and those whose names say
// what they are.
func (x *exchange) trailerFields() []hpack.HeaderField {
	var fields []hpack.HeaderField
	for _, name := range x.trailers {
		fields = x.appendFields(fields, name, name)
	}
	for _, name := range slices.Sorted(maps.Keys(x.header)) {
		if bare, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			fields = x.appendFields(fields, name, bare)
		}
	}
	return fields
}

// appendFields adds the values of one header, as far as they can be sent.
func (x *exchange) appendFields(fields []hpack.HeaderField, key, name string) []hpack.HeaderField {
	name = strings.ToLower(name)
	for _, value := range x.header[key] {
		if httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value) {
			fields = append(fields, hpack.HeaderField{Name: name, Value: value, Sensitive: true})
		}
	}
	return fields
}

// Write adds to the answer. It is sent with the next Flush, or at the end.
func (x *exchange) Write(p []byte) (int, error) {
	const enough = 16 << 10
	x.conn.mu.Lock()
	defer x.conn.mu.Unlock()
	x.begin(http.StatusOK)
	if x.noBody {
		return len(p), nil
	}
	x.unsent = append(x.unsent, p...)
	if len(x.unsent) >= enough {
		if err := x.send(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush sends what was written.
func (x *exchange) Flush() {
	x.conn.mu.Lock()
	defer x.conn.mu.Unlock()
	x.begin(http.StatusOK)
	if x.send() == nil {
		_ = x.conn.turn() // it is told with the next Write
	}
}

// send sends what was written, and waits for the peer to have room for it.
func (x *exchange) send() error {
	c, s := x.conn, x.stream
	for len(x.unsent) > 0 {
		if s.closed {
			return errGivenUp
		}
		n := c.sendData(s, x.unsent)
		x.unsent = x.unsent[n:]
		if n > 0 {
			continue
		}
		if err := c.turn(); err != nil {
			return err
		}
		c.changed.Wait()
	}
	x.unsent = nil
	return nil
}
