package conformance_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A peer is the client's end of one connection. It writes what a test wants,
// right or wrong, and keeps all that the server sends.
type peer struct {
	tb      testing.TB
	conn    net.Conn
	options peerOptions
	ended   chan struct{} // closed when there is nothing more to read

	writing sync.Mutex
	out     bytes.Buffer
	framer  *http2.Framer // writes to out
	encoder *hpack.Encoder
	block   bytes.Buffer // of encoder

	mu sync.Mutex
	// changed is closed with each thing that came, and replaced.
	changed  chan struct{}
	settings map[http2.SettingID]uint32
	acks     int // of our settings
	pongs    [][8]byte
	pings    int
	goAway   *http2.GoAwayFrame
	windows  map[uint32]int // what was given to us beyond the initial windows
	answers  map[uint32]*answer
	frames   int
	failure  error // why nothing more can be read
}

// peerOptions say how a peer behaves by itself.
type peerOptions struct {
	settings []http2.Setting
	// mute leaves the preface and the settings to the test.
	mute bool
	// deaf reads nothing.
	deaf bool
	// stingy gives back nothing of the windows that the answers use up.
	stingy bool
	tls    *tls.Config
	// unacknowledged leaves the server's settings and pings without an answer.
	unacknowledged bool
}

// An answer is what came on one stream.
type answer struct {
	headers, trailers []hpack.HeaderField
	data              []byte
	lengths           []int // of DATA frames
	finished          bool  // by END_STREAM
	reset             bool
	code              http2.ErrCode // of the reset
}

func (a *answer) over() bool { return a != nil && (a.finished || a.reset) }

// field returns the value of a header, or of a trailer.
func (a *answer) field(name string) string {
	for _, f := range append(slices.Clone(a.trailers), a.headers...) {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (a *answer) String() string {
	if a == nil {
		return "nothing"
	}
	return fmt.Sprintf("headers %v, %d bytes in %d frames, trailers %v, finished %t, reset %t (%v)",
		a.headers, len(a.data), len(a.lengths), a.trailers, a.finished, a.reset, a.code)
}

// dial connects, and says hello unless it is to be mute.
func dial(tb testing.TB, address string, options peerOptions) *peer {
	tb.Helper()
	dialer := &net.Dialer{Timeout: patience}
	var conn net.Conn
	var err error
	if options.tls != nil {
		conn, err = tls.DialWithDialer(dialer, "tcp", address, options.tls)
	} else {
		conn, err = dialer.Dial("tcp", address)
	}
	if err != nil {
		tb.Fatal(err)
	}
	p := &peer{
		tb: tb, conn: conn, options: options, ended: make(chan struct{}), changed: make(chan struct{}),
		settings: make(map[http2.SettingID]uint32), windows: make(map[uint32]int), answers: make(map[uint32]*answer),
	}
	p.framer = http2.NewFramer(&p.out, nil)
	p.framer.AllowIllegalWrites = true
	p.encoder = hpack.NewEncoder(&p.block)
	tb.Cleanup(func() { _ = conn.Close() })
	if !options.deaf {
		go p.read()
	}
	if !options.mute {
		_ = p.raw([]byte(http2.ClientPreface)) // reading says what becomes of it
		_ = p.send(func(f *http2.Framer) { _ = f.WriteSettings(options.settings...) })
	}
	return p
}

// send writes the frames that write makes, all at once. The error is of the
// connection, which the server may have closed.
func (p *peer) send(write func(f *http2.Framer)) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.out.Reset()
	write(p.framer)
	return p.write(p.out.Bytes())
}

// raw writes bytes.
func (p *peer) raw(content []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return p.write(content)
}

func (p *peer) write(content []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := p.conn.Write(content)
	return err
}

// encode makes a header block. Blocks must be sent in the order in which they were
// made.
func (p *peer) encode(fields ...hpack.HeaderField) []byte {
	p.block.Reset()
	for _, f := range fields {
		_ = p.encoder.WriteField(f) // a buffer takes all
	}
	return bytes.Clone(p.block.Bytes())
}

// read keeps what comes until the connection ends.
func (p *peer) read() {
	defer close(p.ended)
	framer := http2.NewFramer(nil, p.conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		p.keep(frame, err)
		if err != nil {
			return
		}
		p.respond(frame)
	}
}

func (p *peer) keep(frame http2.Frame, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		close(p.changed)
		p.changed = make(chan struct{})
	}()
	if err != nil {
		p.failure = err
		return
	}
	p.frames++
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			p.acks++
			return
		}
		_ = f.ForeachSetting(func(s http2.Setting) error {
			p.settings[s.ID] = s.Val
			return nil
		})
	case *http2.PingFrame:
		if f.IsAck() {
			p.pongs = append(p.pongs, f.Data)
		} else {
			p.pings++
		}
	case *http2.GoAwayFrame:
		kept := *f
		p.goAway = &kept
	case *http2.WindowUpdateFrame:
		p.windows[f.StreamID] += int(f.Increment)
	default:
		p.keepAnswer(frame)
	}
}

func (p *peer) keepAnswer(frame http2.Frame) {
	a := p.answers[frame.Header().StreamID]
	if a == nil {
		a = &answer{}
		p.answers[frame.Header().StreamID] = a
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		if a.headers == nil {
			a.headers = f.Fields
		} else {
			a.trailers = f.Fields
		}
		a.finished = a.finished || f.StreamEnded()
	case *http2.DataFrame:
		a.data = append(a.data, f.Data()...)
		a.lengths = append(a.lengths, int(f.Length))
		a.finished = a.finished || f.StreamEnded()
	case *http2.RSTStreamFrame:
		a.reset, a.code = true, f.ErrCode
	}
}

// respond answers as a client must.
func (p *peer) respond(frame http2.Frame) {
	_ = p.send(func(framer *http2.Framer) { // reading says what becomes of it
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() && !p.options.unacknowledged {
				_ = framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() && !p.options.unacknowledged {
				_ = framer.WritePing(true, f.Data)
			}
		case *http2.DataFrame:
			if f.Length > 0 && !p.options.stingy {
				_ = framer.WriteWindowUpdate(0, f.Length)
				_ = framer.WriteWindowUpdate(f.StreamID, f.Length)
			}
		}
	})
}

// await waits until something holds of what came.
func (p *peer) await(what string, holds func() bool) {
	p.tb.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		held, changed, failure, state := holds(), p.changed, p.failure, p.state()
		p.mu.Unlock()
		if held {
			return
		}
		if failure != nil {
			p.tb.Fatalf("the connection ended (%v) before %s; %s", failure, what, state)
		}
		select {
		case <-changed:
		case <-timeout.C:
			p.tb.Fatalf("this did not come about: %s; %s", what, state)
		}
	}
}

// state describes what came, for people.
func (p *peer) state() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d frames, GOAWAY %v, end %v", p.frames, p.goAway, p.failure)
	for id, a := range p.answers {
		if len(p.answers) > 5 && !a.reset {
			continue
		}
		fmt.Fprintf(&text, "\n  stream %d: %v", id, a)
	}
	return text.String()
}

// awaitAnswer waits until a stream is over.
func (p *peer) awaitAnswer(stream uint32) *answer {
	p.tb.Helper()
	p.await(fmt.Sprintf("the answer on stream %d", stream), func() bool { return p.answers[stream].over() })
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[stream]
}

// awaitPong sends a PING and waits for its answer: all that was sent before has
// been read by then.
func (p *peer) awaitPong() {
	p.tb.Helper()
	p.mu.Lock()
	data := [8]byte{'a', 'l', 'i', 'v', 'e', byte(len(p.pongs) >> 16), byte(len(p.pongs) >> 8), byte(len(p.pongs))}
	p.mu.Unlock()
	_ = p.send(func(f *http2.Framer) { _ = f.WritePing(false, data) })
	p.await("an answer to PING", func() bool { return slices.Contains(p.pongs, data) })
}

// awaitEnd waits until the server has closed the connection.
func (p *peer) awaitEnd() {
	p.tb.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tb.Fatalf("the connection does not end; %s", p.state())
	}
}

// awaitConnectionError waits until the server has closed the connection. Where a
// GOAWAY has come, which a reset of TCP may overtake, it has one of the codes.
func (p *peer) awaitConnectionError(codes ...http2.ErrCode) {
	p.tb.Helper()
	p.awaitEnd()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goAway != nil && !slices.Contains(codes, p.goAway.ErrCode) {
		p.tb.Errorf("GOAWAY %v (%s), want %v", p.goAway.ErrCode, p.goAway.DebugData(), codes)
	}
}

// awaitStreamError waits until the server has reset a stream, or has closed the
// connection, which it may do instead (RFC 9113, section 5.4.1), with one of the
// codes.
func (p *peer) awaitStreamError(stream uint32, codes ...http2.ErrCode) {
	p.tb.Helper()
	var a *answer
	select {
	case <-p.ended:
	case <-p.when(func() bool { return p.answers[stream].over() }):
		p.mu.Lock()
		a = p.answers[stream]
		p.mu.Unlock()
	case <-time.After(patience):
		p.tb.Fatalf("stream %d goes on", stream)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case a == nil && p.goAway != nil && !slices.Contains(codes, p.goAway.ErrCode):
		p.tb.Errorf("GOAWAY %v, want %v", p.goAway.ErrCode, codes)
	case a != nil && !a.reset:
		p.tb.Errorf("stream %d is answered (%v), want a reset with %v", stream, a, codes)
	case a != nil && !slices.Contains(codes, a.code):
		p.tb.Errorf("stream %d is reset with %v, want %v", stream, a.code, codes)
	}
}

// awaitPongOrEnd is awaitPong of a connection that may end meanwhile.
func (p *peer) awaitPongOrEnd() {
	p.tb.Helper()
	_ = p.send(func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{'e'}) })
	select {
	case <-p.ended:
	case <-p.when(func() bool { return len(p.pongs) > 0 }):
	case <-time.After(patience):
		p.tb.Fatal("a PING gets no answer")
	}
}

// when is closed when something holds of what came. It waits in a goroutine that
// ends with the connection.
func (p *peer) when(holds func() bool) <-chan struct{} {
	come := make(chan struct{})
	go func() {
		for {
			p.mu.Lock()
			held, changed, failure := holds(), p.changed, p.failure
			p.mu.Unlock()
			if held {
				close(come)
				return
			}
			if failure != nil {
				return
			}
			<-changed
		}
	}()
	return come
}
