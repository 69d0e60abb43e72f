package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// A conn is one connection. One goroutine reads it, and does nearly all there is to
// do. Others take mu: those that serve what the handler got, and the look that the
// server takes now and then.
type conn struct {
	server *Server
	// raw is what was accepted, and net what is read and written: the same, or TLS on it.
	raw, net net.Conn
	tls      *tls.ConnectionState // nil in clear text
	// ctx ends with the connection.
	ctx    context.Context //nolint:containedctx // it is the connection's own, and the parent of its requests'
	cancel context.CancelFunc

	// input is what was read; from begin to end it is not taken yet. It belongs to
	// the goroutine that reads.
	input      []byte
	begin, end int

	mu sync.Mutex
	// changed is told when a window opens, a request grows or ends, and when the
	// connection does.
	changed *sync.Cond
	// heard counts the times that something came, and written that something was written.
	heard, written atomic.Uint64
	// output is what is to be written.
	output []byte
	// broken is why nothing can be written any more.
	broken error

	greeted bool // the peer's first settings have come
	streams map[uint32]*stream
	idle    []*stream // streams that are used again
	last    uint32    // the highest stream that the peer has opened
	resets  resets
	// held is how many bytes of calls wait for their ends.
	held      int
	exchanges int

	requests headerReader
	answers  headerWriter
	windows  windows
	drain    drainState
	watch    watchState
}

func newConn(server *Server, accepted net.Conn) *conn {
	c := &conn{server: server, raw: accepted, net: accepted, streams: make(map[uint32]*stream), input: make([]byte, firstInput)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.changed = sync.NewCond(&c.mu)
	c.requests.init()
	c.answers.init()
	c.windows = windows{in: connWindow, out: initialWindow, streamOut: initialWindow, frame: maxFrame}
	return c
}

// run serves the connection until it ends.
func (c *conn) run() {
	err := c.serve()
	c.mu.Lock()
	c.abandon()
	c.mu.Unlock()
	_ = c.raw.Close() // closed already, or of no further use
	c.server.logger.LogAttrs(context.Background(), slog.LevelDebug, "a connection ended",
		slog.String("peer", c.raw.RemoteAddr().String()), slog.Any("why", err))
}

// abandon gives up all that is open.
func (c *conn) abandon() {
	if c.broken == nil {
		c.broken = net.ErrClosed
	}
	for _, s := range c.streams {
		s.closed = true
	}
	clear(c.streams)
	c.cancel()
	c.changed.Broadcast()
}

// serve opens the connection and takes what comes, and returns why it ended.
func (c *conn) serve() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			c.server.logger.LogAttrs(c.ctx, slog.LevelError, "a panic ended a connection; this is a defect in corsgate",
				slog.String("panic", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	// It is lifted when the peer's settings have come.
	if err := c.raw.SetDeadline(time.Now().Add(openTimeout)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if err := c.handshake(); err != nil {
		return err
	}
	if err := c.readPreface(); err != nil {
		return err
	}
	c.mu.Lock()
	c.output = appendSettings(c.output,
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderList})
	c.output = appendWindowUpdate(c.output, 0, connWindow-initialWindow)
	err = c.takeAndAnswer() // what came with the preface
	c.mu.Unlock()
	for err == nil {
		err = c.readOnce()
	}
	if _, broken := errors.AsType[*connError](err); broken || errors.Is(err, errDrained) {
		c.linger()
	}
	return err
}

// handshake secures the connection where it is to be.
func (c *conn) handshake() error {
	if c.server.options.TLS == nil {
		return nil
	}
	secured := tls.Server(c.raw, c.server.options.TLS)
	if err := secured.HandshakeContext(c.ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.net = secured
	state := secured.ConnectionState()
	if state.NegotiatedProtocol != http2.NextProtoTLS {
		return fmt.Errorf("TLS handshake: the peer agreed to the protocol %q and not to h2", state.NegotiatedProtocol)
	}
	c.tls = &state
	return nil
}

// readPreface takes the line by which HTTP/2 begins. Whoever sends another is told
// so in HTTP/1.1, if that is what it speaks.
func (c *conn) readPreface() error {
	for c.end < len(preface) {
		n, err := c.net.Read(c.input[c.end:])
		c.end += n
		if came := string(c.input[:min(c.end, len(preface))]); !strings.HasPrefix(preface, came) {
			if c.tls == nil && strings.Contains(string(c.input[:c.end]), " HTTP/1.") {
				_, _ = io.WriteString(c.net, notHTTP1) // the connection ends in any case
			}
			return errors.New("what came is not HTTP/2")
		}
		if err != nil {
			return fmt.Errorf("reading the beginning: %w", err)
		}
	}
	c.begin = len(preface)
	return nil
}

const notHTTP1 = "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This port speaks gRPC, which is HTTP/2 from the first byte on.\n"

// readOnce reads what has come, takes all frames that are whole, and writes the
// answers.
func (c *conn) readOnce() error {
	c.makeRoom()
	n, readErr := c.net.Read(c.input[c.end:])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard.Add(1)
	c.end += n
	if err := c.takeAndAnswer(); err != nil {
		return err
	}
	if readErr != nil {
		return fmt.Errorf("reading: %w", readErr)
	}
	return nil
}

// takeAndAnswer takes all frames that are whole and writes the answers.
func (c *conn) takeAndAnswer() error {
	err := c.take()
	if broken, ok := errors.AsType[*connError](err); ok {
		c.output = appendGoAway(c.output, c.last, broken.code, broken.reason)
	}
	flushErr := c.turn()
	switch {
	case err != nil:
		return err
	case flushErr != nil:
		return flushErr
	case c.drain.over(len(c.streams)):
		return errDrained
	}
	return nil
}

// makeRoom makes room for what comes next: by moving what is left to the front and,
// where all was filled, by a larger buffer.
func (c *conn) makeRoom() {
	from := c.input
	if c.end == len(c.input) && len(c.input) < maxInput {
		c.input = make([]byte, 2*len(c.input))
	}
	c.begin, c.end = 0, copy(c.input, from[c.begin:c.end])
}

// take takes all frames that are whole.
func (c *conn) take() error {
	for {
		f, rest, whole, err := nextFrame(c.input[c.begin:c.end])
		if err != nil || !whole {
			return err
		}
		c.begin = c.end - len(rest)
		if err := c.frame(&f); err != nil {
			return err
		}
		if len(c.output) > maxKept {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
}

// turn ends a turn of whoever holds mu: it writes what there is to write.
func (c *conn) turn() error {
	c.windows.giveBack(c)
	return c.flush()
}

// flush writes the output. A peer that does not read holds up its own connection
// alone, until the server's look ends it.
func (c *conn) flush() error {
	if len(c.output) == 0 || c.broken != nil {
		c.output = c.output[:0]
		return c.broken
	}
	_, err := c.net.Write(c.output)
	c.written.Add(1)
	c.output = c.output[:0]
	if cap(c.output) > maxKept {
		c.output = nil
	}
	if err != nil {
		c.broken = fmt.Errorf("writing: %w", err)
		_ = c.raw.Close() // the goroutine that reads learns of it
	}
	return c.broken
}

// frame takes one frame (RFC 9113, section 6).
func (c *conn) frame(f *frame) error {
	if open := c.requests.stream; open != 0 && (f.kind != http2.FrameContinuation || f.stream != open) {
		return &connError{http2.ErrCodeProtocol, "another frame within a header block"}
	}
	if !c.greeted && (f.kind != http2.FrameSettings || f.flags.Has(http2.FlagSettingsAck)) {
		return &connError{http2.ErrCodeProtocol, "the first frame is not SETTINGS"}
	}
	switch f.kind {
	case http2.FrameData:
		return c.data(f)
	case http2.FrameHeaders:
		return c.headers(f)
	case http2.FrameContinuation:
		return c.continuation(f)
	case http2.FrameWindowUpdate:
		if err := c.watch.control(); err != nil {
			return err
		}
		return c.windowUpdate(f)
	default:
		if err := c.watch.control(); err != nil {
			return err
		}
		return c.controlFrame(f)
	}
}

// linger lets the peer read what was written last: closing at once would take it
// back, if there is something that was not read yet.
func (c *conn) linger() {
	if half, ok := c.net.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if err := c.raw.SetReadDeadline(time.Now().Add(lingerTimeout)); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, c.net) // until it closes, or the deadline
}
