package h2

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

const testMethod = "/test.Service/Echo"

// echo answers a message with itself, and "bad" with an error.
func echo(dst, request []byte) ([]byte, error) {
	if string(request) == "bad" {
		return nil, status.Error(codes.InvalidArgument, "bad: 100 % ü\n")
	}
	return append(dst, request...), nil
}

// defects fails a test for every defect that is logged.
func defects(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(failing{tb}, &slog.HandlerOptions{Level: slog.LevelError}))
}

type failing struct{ tb testing.TB }

func (f failing) Write(line []byte) (int, error) {
	f.tb.Errorf("logged: %s", line)
	return len(line), nil
}

// startServer starts a server, which ends with the test.
func startServer(tb testing.TB, options Options) (*Server, string) {
	tb.Helper()
	options.Method, options.Unary = testMethod, echo
	if options.Others == nil {
		options.Others = http.NotFoundHandler()
	}
	if options.MaxMessageBytes == 0 {
		options.MaxMessageBytes = 1 << 20
	}
	if options.Logger == nil {
		options.Logger = defects(tb)
	}
	server := New(options)
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	tb.Cleanup(func() {
		server.Close()
		if err := <-ended; !errors.Is(err, ErrServerClosed) {
			tb.Errorf("Serve returned %v", err)
		}
	})
	return server, listener.Addr().String()
}

// A peer is a client that says what it is told to, and decodes what comes.
type peer struct {
	tb     testing.TB
	net    net.Conn
	framer *http2.Framer

	block   bytes.Buffer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
	fields  map[string]string
}

func dial(tb testing.TB, address string, settings ...http2.Setting) *peer {
	tb.Helper()
	var dialer net.Dialer
	opened, err := dialer.DialContext(tb.Context(), "tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = opened.Close() })
	if err := opened.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	p := &peer{tb: tb, net: opened, framer: http2.NewFramer(opened, opened)}
	p.framer.AllowIllegalWrites, p.framer.AllowIllegalReads = true, true
	p.encoder = hpack.NewEncoder(&p.block)
	p.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { p.fields[f.Name] = f.Value })
	_, err = io.WriteString(opened, preface)
	p.must(err)
	p.must(p.framer.WriteSettings(settings...))
	return p
}

func (p *peer) must(err error) {
	p.tb.Helper()
	if err != nil {
		p.tb.Fatal(err)
	}
}

// headers opens a stream for a call of a method.
func (p *peer) headers(stream uint32, path string, end bool) {
	p.tb.Helper()
	p.block.Reset()
	for _, field := range [...][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", path},
		{":authority", "test"},
		{"te", "trailers"},
		{"content-type", contentType},
		{"grpc-timeout", "200m"},
	} {
		p.must(p.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	p.must(p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: p.block.Bytes(), EndHeaders: true, EndStream: end,
	}))
}

func framed(message string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

func (p *peer) call(stream uint32, message string) {
	p.tb.Helper()
	p.headers(stream, testMethod, false)
	p.must(p.framer.WriteData(stream, true, framed(message)))
}

// next returns the next frame that is not one of flow control or settings.
func (p *peer) next() http2.Frame {
	p.tb.Helper()
	for {
		f, err := p.framer.ReadFrame()
		p.must(err)
		switch f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
		default:
			return f
		}
	}
}

// A reply is what came on a stream until its end.
type reply struct {
	fields map[string]string
	data   string
	frames int // of data
}

// read reads frames of a stream up to its end.
func (p *peer) read(stream uint32, each func()) reply {
	p.tb.Helper()
	p.fields = make(map[string]string)
	var r reply
	for {
		f := p.next()
		if f.Header().StreamID != stream {
			p.tb.Fatalf("%v, want a frame of stream %d", f, stream)
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			_, err := p.decoder.Write(f.HeaderBlockFragment())
			p.must(errors.Join(err, p.decoder.Close()))
			if f.StreamEnded() {
				r.fields = p.fields
				return r
			}
		case *http2.DataFrame:
			r.data += string(f.Data())
			r.frames++
			if f.StreamEnded() {
				r.fields = p.fields
				return r
			}
		default:
			p.tb.Fatalf("%v on stream %d", f, stream)
		}
		if each != nil {
			each()
		}
	}
}

// wantEcho checks that a reply is all that answers a message, and nothing else.
func (p *peer) wantEcho(r reply, message string) {
	p.tb.Helper()
	if r.data != string(framed(message)) {
		p.tb.Errorf("answered %q, want %q", r.data, framed(message))
	}
	want := map[string]string{":status": "200", "content-type": contentType, "grpc-status": "0"}
	if len(r.fields) != len(want) {
		p.tb.Errorf("the fields are %v, want %v", r.fields, want)
	}
	for name, value := range want {
		if r.fields[name] != value {
			p.tb.Errorf("%s is %q, want %q", name, r.fields[name], value)
		}
	}
}

// wantEnd reads until the connection ends, and returns the code of the last GOAWAY.
func (p *peer) wantEnd() (code http2.ErrCode, said bool) {
	p.tb.Helper()
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				p.tb.Fatal("the connection does not end")
			}
			return code, said
		}
		if away, ok := f.(*http2.GoAwayFrame); ok {
			code, said = away.ErrCode, true
		}
	}
}

func TestCalls(t *testing.T) {
	_, address := startServer(t, Options{})
	p := dial(t, address)
	p.must(p.framer.WriteWindowUpdate(0, 1<<20)) // for all answers
	for i := range uint32(20) {
		message := strings.Repeat("x", int(i)*3000)
		p.headers(2*i+1, testMethod, false)
		rest := framed(message)
		for len(rest) > maxFrame {
			p.must(p.framer.WriteData(2*i+1, false, rest[:maxFrame]))
			rest = rest[maxFrame:]
		}
		p.must(p.framer.WriteData(2*i+1, true, rest))
		p.wantEcho(p.read(2*i+1, nil), message)
	}
}

// A call that fails must leave both ends with the same table of headers, whether it is
// the first on its connection or not.
func TestFailureThenCall(t *testing.T) {
	_, address := startServer(t, Options{})
	for _, tableSize := range []uint32{0, 100, 4096} {
		p := dial(t, address, http2.Setting{ID: http2.SettingHeaderTableSize, Val: tableSize})
		p.decoder.SetAllowedMaxDynamicTableSize(tableSize)
		for i, message := range []string{"bad", "good", "bad", "good", "good", "bad"} {
			stream := uint32(2*i + 1)
			p.call(stream, message)
			r := p.read(stream, nil)
			if message == "good" {
				p.wantEcho(r, message)
				continue
			}
			if got := r.fields["grpc-status"]; got != strconv.Itoa(int(codes.InvalidArgument)) || r.data != "" {
				t.Errorf("status %s, data %q", got, r.data)
			}
			if got, want := r.fields["grpc-message"], "bad: 100 %25 %C3%BC%0A"; got != want {
				t.Errorf("message %q, want %q", got, want)
			}
		}
	}
}

// An answer comes as the peer opens its windows, and not a byte sooner.
func TestAnswerByteByByte(t *testing.T) {
	_, address := startServer(t, Options{})
	p := dial(t, address, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	p.call(1, "by bytes")
	p.headers(3, testMethod, true) // what it gets needs no window
	p.fields = map[string]string{}
	first, ok := p.next().(*http2.HeadersFrame)
	if !ok || first.StreamID != 1 {
		t.Fatalf("%v, want the head of the first answer", first)
	}
	_, err := p.decoder.Write(first.HeaderBlockFragment())
	p.must(err)
	if got := p.read(3, nil).fields["grpc-status"]; got != strconv.Itoa(int(codes.Internal)) {
		t.Errorf("a call without a message ended with %q", got)
	}
	open := func() { p.must(p.framer.WriteWindowUpdate(1, 1)) }
	open()
	p.fields = map[string]string{":status": "200", "content-type": contentType}
	fields := p.fields
	r := p.read(1, open)
	if r.data != string(framed("by bytes")) || r.frames != len(framed("by bytes")) {
		t.Errorf("%q in %d frames", r.data, r.frames)
	}
	if fields[":status"] != "200" || r.fields["grpc-status"] != "0" {
		t.Errorf("the fields are %v", r.fields)
	}
}

// A handler that answers before the request has ended is done with it, even if it
// reads.
func TestAnswerBeforeTheRequestEnds(t *testing.T) {
	returned := make(chan error, 1)
	others := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := make(chan error, 1)
		go func() {
			_, err := r.Body.Read(make([]byte, 1))
			read <- err
		}()
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Grpc-Status", "7")
		_ = r.Body.Close()
		returned <- <-read
	})
	_, address := startServer(t, Options{Others: others})
	p := dial(t, address)
	p.headers(1, "/other", false)
	if r := p.read(1, nil); r.fields["grpc-status"] != "7" {
		t.Errorf("the fields are %v", r.fields)
	}
	if err := <-returned; !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("Read returned %v", err)
	}
	reset, ok := p.next().(*http2.RSTStreamFrame)
	if !ok || reset.ErrCode != http2.ErrCodeNo {
		t.Errorf("%v, want RST_STREAM with NO_ERROR", reset)
	}
}

func TestDrain(t *testing.T) {
	server, address := startServer(t, Options{})
	p := dial(t, address)
	p.call(1, "first")
	p.wantEcho(p.read(1, nil), "first")
	p.headers(3, testMethod, false) // it goes on during the drain
	p.call(5, "second")
	p.wantEcho(p.read(5, nil), "second") // so the third was seen

	done := make(chan error, 1)
	go func() { done <- server.Shutdown(context.WithoutCancel(t.Context())) }()
	if away, ok := p.next().(*http2.GoAwayFrame); !ok || away.LastStreamID != streamMask || away.ErrCode != http2.ErrCodeNo {
		t.Fatalf("%v, want GOAWAY of no stream", away)
	}
	ping, ok := p.next().(*http2.PingFrame)
	if !ok {
		t.Fatal("no PING")
	}
	p.call(7, "under way")
	p.wantEcho(p.read(7, nil), "under way")
	p.must(p.framer.WritePing(true, ping.Data))
	if away, ok := p.next().(*http2.GoAwayFrame); !ok || away.LastStreamID != 7 {
		t.Fatalf("%v, want GOAWAY with 7", away)
	}
	p.call(9, "too late") // a client would send it elsewhere
	p.must(p.framer.WriteData(3, true, framed("third")))
	p.wantEcho(p.read(3, nil), "third")
	p.wantEnd()
	_ = p.net.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
}

// A connection of its age is drained; one whose peer takes no notice ends after the
// grace.
func TestAge(t *testing.T) {
	_, address := startServer(t, Options{MaxConnectionAge: 20 * time.Millisecond, AgeGrace: 20 * time.Millisecond})
	p := dial(t, address)
	p.headers(1, testMethod, false) // it never ends
	if code, said := p.wantEnd(); !said || code != http2.ErrCodeNo {
		t.Errorf("ended with %v, %v", code, said)
	}
}

// A peer that does not answer a ping is gone, and one that does is not.
func TestDeadPeer(t *testing.T) {
	_, address := startServer(t, Options{PingInterval: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond})
	alive, dead := dial(t, address), dial(t, address)
	const pings = 5
	for range pings {
		ping, ok := alive.next().(*http2.PingFrame)
		if !ok {
			t.Fatal("no PING")
		}
		alive.must(alive.framer.WritePing(true, ping.Data))
	}
	dead.wantEnd()
}

// Whoever writes to a peer that does not read is freed in the end; who has only begun to,
// on a connection that was quiet for long, is not.
func TestStalledPeer(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	if err := theirs.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	c := newConn(New(Options{}), ours)
	start := time.Now()
	ended := func(after time.Duration) bool {
		c.look(start.Add(after))
		_, err := theirs.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
	c.watch.heardAt = start
	c.mu.Lock() // as one that writes does
	for _, after := range []time.Duration{time.Minute, time.Minute + writeTimeout} {
		if ended(after) {
			t.Fatalf("ended %v after the start", after)
		}
	}
	c.written.Add(1)
	for _, after := range []time.Duration{2 * time.Minute, 2*time.Minute + writeTimeout} {
		if ended(after) {
			t.Fatalf("ended %v after the start, though something was written", after)
		}
	}
	c.mu.Unlock()
	c.greeted = true
	if ended(3 * time.Minute) {
		t.Fatal("ended though nobody writes")
	}
	c.mu.Lock()
	if ended(4*time.Minute) || ended(4*time.Minute+writeTimeout) {
		t.Fatal("ended too soon")
	}
	if !ended(4*time.Minute + writeTimeout + 1) {
		t.Error("whoever writes waits for ever")
	}
}

func TestHTTP1IsTold(t *testing.T) {
	_, address := startServer(t, Options{})
	var dialer net.Dialer
	opened, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	_, _ = io.WriteString(opened, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, _ := io.ReadAll(opened); string(answer) != notHTTP1 {
		t.Errorf("answered %q", answer)
	}
}

// What is beyond the limits is refused, and what is within goes on.
func TestLimits(t *testing.T) {
	_, address := startServer(t, Options{})
	p := dial(t, address)
	for i := range uint32(maxStreams) {
		p.headers(2*i+1, testMethod, false)
	}
	p.headers(2*maxStreams+1, testMethod, false)
	reset, ok := p.next().(*http2.RSTStreamFrame)
	if !ok || reset.StreamID != 2*maxStreams+1 || reset.ErrCode != http2.ErrCodeRefusedStream {
		t.Fatalf("%v, want REFUSED_STREAM", reset)
	}
	p.must(p.framer.WriteData(1, true, framed("the first")))
	p.wantEcho(p.read(1, nil), "the first")

	p.block.Reset()
	for i := range 8 { // short on the wire, since all but one refer to the table
		field := hpack.HeaderField{Name: "large", Value: strings.Repeat("x", 3000)}
		if i > 0 {
			p.block.Write(bytes.Repeat([]byte{0xbe}, 4)) // the newest entry of the table
			continue
		}
		p.must(p.encoder.WriteField(field))
	}
	p.must(p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 2*maxStreams + 3, BlockFragment: p.block.Bytes(), EndHeaders: true, EndStream: true,
	}))
	if r := p.read(2*maxStreams+3, nil); r.fields[":status"] != "431" {
		t.Errorf("the fields are %v", r.fields)
	}
}

func TestFloods(t *testing.T) {
	reset := func(p *peer, i uint32) {
		p.headers(2*i+1, testMethod, false)
		p.must(p.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
	}
	floods := map[string]func(p *peer, i uint32){
		"pings":       func(p *peer, _ uint32) { p.must(p.framer.WritePing(false, [8]byte{})) },
		"settings":    func(p *peer, _ uint32) { p.must(p.framer.WriteSettings()) },
		"rapid reset": reset,
		"no headers":  func(p *peer, i uint32) { p.must(p.framer.WriteRawFrame(http2.FrameHeaders, 5, 2*i+1, nil)) },
	}
	for name, send := range floods {
		t.Run(name, func(t *testing.T) {
			_, address := startServer(t, Options{})
			p := dial(t, address)
			ended := make(chan http2.ErrCode, 1)
			go func() {
				code, _ := p.wantEnd()
				ended <- code
			}()
			lenient := *p
			lenient.tb = leave{t}
			func() {
				defer func() { _ = recover() }() // writing fails when the connection has ended
				for i := range uint32(40 * freeControl) {
					send(&lenient, i)
				}
			}()
			if code := <-ended; code != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("ended with %v", code)
			}
		})
	}
}

// leave ends what a peer does where it fails, and not the test.
type leave struct{ testing.TB }

func (leave) Helper()      {}
func (leave) Fatal(...any) { panic("the connection has ended") }

// FuzzConnection sends whatever comes: nothing may panic, and what is answered must
// be frames.
func FuzzConnection(f *testing.F) {
	f.Add([]byte{})
	var call bytes.Buffer
	framer := http2.NewFramer(&call, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [...][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", testMethod}, {"te", "trailers"}, {"content-type", contentType},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 7})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	_ = framer.WriteDataPadded(1, true, framed("hello, world"), make([]byte, 3))
	_ = framer.WriteWindowUpdate(1, 9)
	_ = framer.WritePing(false, [8]byte{1})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x83, 0x86, 0x84}, EndHeaders: true, EndStream: true})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: []byte{0x83}})
	_ = framer.WriteContinuation(5, true, []byte{0x86, 0x84})
	_ = framer.WriteRSTStream(5, http2.ErrCodeCancel)
	f.Add(call.Bytes())
	f.Fuzz(func(t *testing.T, input []byte) {
		ours, theirs := net.Pipe()
		server := New(Options{
			Method: testMethod, Unary: echo, Others: http.NotFoundHandler(), MaxMessageBytes: 1 << 16, Logger: defects(t),
		})
		server.start(ours)
		go func() {
			_, _ = io.WriteString(theirs, preface) // it may be closed by then
			_, _ = theirs.Write(input)
			// What is answered to this comes last, unless the connection has ended.
			_ = http2.NewFramer(theirs, nil).WritePing(false, lastPing)
		}()
		reader := http2.NewFramer(nil, theirs)
		reader.AllowIllegalReads = true
		// A frame that is not whole swallows the ping.
		if err := theirs.SetReadDeadline(time.Now().Add(fuzzPatience)); err != nil {
			t.Fatal(err)
		}
		for {
			frame, err := reader.ReadFrame()
			if err != nil {
				if _, bad := errors.AsType[http2.ConnectionError](err); bad {
					t.Errorf("what was answered is no frame: %v", err)
				}
				break
			}
			if ping, ok := frame.(*http2.PingFrame); ok && ping.IsAck() && ping.Data == lastPing {
				break
			}
		}
		_ = theirs.Close()
		server.Close()
	})
}

// fuzzPatience is how long to wait for an answer that may not come.
const fuzzPatience = 20 * time.Millisecond

var lastPing = [8]byte{'l', 'a', 's', 't'}
