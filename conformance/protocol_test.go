package conformance_test

import (
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// breach is a breach of RFC 9113, and what must come of it.
type breach struct {
	name string
	// commit does it. Stream 1 has been opened with the headers of a call, and
	// stream 3 has been answered.
	commit func(p *peer, f *http2.Framer)
	// stream, unless zero, is the one to which the error is bound.
	stream uint32
	codes  []http2.ErrCode
}

// headersFrame is one with a whole block.
func headersFrame(f *http2.Framer, stream uint32, end bool, block []byte) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: end})
}

// connectionBreaches end the connection.
func connectionBreaches() []breach {
	protocol := []http2.ErrCode{http2.ErrCodeProtocol}
	size := []http2.ErrCode{http2.ErrCodeFrameSize}
	flow := []http2.ErrCode{http2.ErrCodeFlowControl}
	closed := []http2.ErrCode{http2.ErrCodeStreamClosed, http2.ErrCodeProtocol}
	compression := []http2.ErrCode{http2.ErrCodeCompression}
	raw := func(kind http2.FrameType, flags http2.Flags, stream uint32, payload ...byte) func(*peer, *http2.Framer) {
		return func(_ *peer, f *http2.Framer) { _ = f.WriteRawFrame(kind, flags, stream, payload) }
	}
	open := func(stream uint32) func(*peer, *http2.Framer) {
		return func(p *peer, f *http2.Framer) { headersFrame(f, stream, true, p.encode(callHeaders(checkMethod)...)) }
	}
	block := func(fragment ...byte) func(*peer, *http2.Framer) {
		return func(_ *peer, f *http2.Framer) { headersFrame(f, 5, true, fragment) }
	}
	return []breach{
		{name: "stream 0 of HEADERS", commit: open(0), codes: protocol},
		{name: "an even stream", commit: open(2), codes: protocol},
		{name: "a stream that is over", commit: open(3), codes: closed},
		{name: "a stream that was skipped", commit: func(p *peer, f *http2.Framer) { open(9)(p, f); open(7)(p, f) }, codes: closed},
		{name: "DATA on stream 0", commit: raw(http2.FrameData, 0, 0, 1), codes: protocol},
		{name: "DATA on an idle stream", commit: raw(http2.FrameData, 0, 9, 1), codes: protocol},
		{name: "RST_STREAM on stream 0", commit: raw(http2.FrameRSTStream, 0, 0, 0, 0, 0, 8), codes: protocol},
		{name: "RST_STREAM on an idle stream", commit: raw(http2.FrameRSTStream, 0, 9, 0, 0, 0, 8), codes: protocol},
		{name: "RST_STREAM too short", commit: raw(http2.FrameRSTStream, 0, 1, 0, 0, 8), codes: size},
		{name: "WINDOW_UPDATE on an idle stream", commit: raw(http2.FrameWindowUpdate, 0, 9, 0, 0, 0, 8), codes: protocol},
		{name: "WINDOW_UPDATE too short", commit: raw(http2.FrameWindowUpdate, 0, 1, 0, 0, 8), codes: size},
		{name: "WINDOW_UPDATE too long", commit: raw(http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 8, 8), codes: size},
		{name: "WINDOW_UPDATE by 0 on the connection", commit: raw(http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 0), codes: protocol},
		{name: "a window beyond 2^31-1", commit: raw(http2.FrameWindowUpdate, 0, 0, 0x7f, 255, 255, 255), codes: flow},
		{name: "PING on a stream", commit: raw(http2.FramePing, 0, 1, make([]byte, 8)...), codes: protocol},
		{name: "PING too short", commit: raw(http2.FramePing, 0, 0, make([]byte, 7)...), codes: size},
		{name: "PING too long", commit: raw(http2.FramePing, 0, 0, make([]byte, 9)...), codes: size},
		{name: "GOAWAY on a stream", commit: raw(http2.FrameGoAway, 0, 1, make([]byte, 8)...), codes: protocol},
		{name: "GOAWAY too short", commit: raw(http2.FrameGoAway, 0, 0, make([]byte, 7)...), codes: size},
		{name: "PUSH_PROMISE", commit: raw(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, 0, 0, 0, 2), codes: protocol},
		{name: "SETTINGS on a stream", commit: raw(http2.FrameSettings, 0, 1), codes: protocol},
		{name: "SETTINGS of five bytes", commit: raw(http2.FrameSettings, 0, 0, 0, 3, 0, 0, 0), codes: size},
		{name: "an acknowledgement with settings", commit: raw(http2.FrameSettings, http2.FlagSettingsAck, 0, 0, 3, 0, 0, 0, 1), codes: size},
		{name: "ENABLE_PUSH 2", commit: raw(http2.FrameSettings, 0, 0, 0, 2, 0, 0, 0, 2), codes: protocol},
		{name: "INITIAL_WINDOW_SIZE 2^31", commit: raw(http2.FrameSettings, 0, 0, 0, 4, 0x80, 0, 0, 0), codes: flow},
		{name: "MAX_FRAME_SIZE 16383", commit: raw(http2.FrameSettings, 0, 0, 0, 5, 0, 0, 0x3f, 0xff), codes: protocol},
		{name: "MAX_FRAME_SIZE 2^24", commit: raw(http2.FrameSettings, 0, 0, 0, 5, 1, 0, 0, 0), codes: protocol},
		{name: "PRIORITY on stream 0", commit: raw(http2.FramePriority, 0, 0, 0, 0, 0, 9, 1), codes: protocol},
		{name: "CONTINUATION alone", commit: raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1, 0x82), codes: protocol},
		{name: "CONTINUATION of another stream", commit: func(p *peer, f *http2.Framer) {
			_ = f.WriteRawFrame(http2.FrameHeaders, 0, 5, p.encode(callHeaders(checkMethod)...))
			_ = f.WriteContinuation(7, true, nil)
		}, codes: protocol},
		{name: "PING within a header block", commit: func(p *peer, f *http2.Framer) {
			_ = f.WriteRawFrame(http2.FrameHeaders, 0, 5, p.encode(callHeaders(checkMethod)...))
			_ = f.WritePing(false, [8]byte{})
		}, codes: protocol},
		{name: "an unknown frame within a header block", commit: func(p *peer, f *http2.Framer) {
			_ = f.WriteRawFrame(http2.FrameHeaders, 0, 5, p.encode(callHeaders(checkMethod)...))
			_ = f.WriteRawFrame(0xbe, 0, 5, nil)
		}, codes: protocol},
		{name: "DATA all of padding and more", commit: raw(http2.FrameData, http2.FlagDataPadded, 1, 9, 0, 0), codes: protocol},
		{name: "DATA with padding as long as its frame", commit: raw(http2.FrameData, http2.FlagDataPadded, 1, 3, 0, 0), codes: protocol},
		{name: "DATA with padding of no length", commit: raw(http2.FrameData, http2.FlagDataPadded, 1), codes: append(protocol, size...)},
		{name: "HEADERS with padding as long as its frame", commit: raw(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 5, 2, 0x82), codes: protocol},
		{name: "HEADERS with too short a priority", commit: raw(http2.FrameHeaders, http2.FlagHeadersPriority|http2.FlagHeadersEndHeaders, 5, 0, 0, 0), codes: append(protocol, size...)},
		{name: "a frame longer than allowed", commit: raw(http2.FrameData, 0, 1, make([]byte, 16385)...), codes: size},
		{name: "HEADERS longer than allowed", commit: raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 5, make([]byte, 16385)...), codes: size},
		{name: "an index of nothing", commit: block(0x80), codes: compression},
		{name: "an index beyond the tables", commit: block(0xff, 0xff, 0xff, 0xff, 0x7f), codes: compression},
		{name: "an integer without end", commit: block(0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01), codes: compression},
		{name: "a text beyond its block", commit: block(0x00, 0x05, 'a', 'b'), codes: compression},
		{name: "a Huffman code that is none", commit: block(0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, 'v'), codes: compression},
		{name: "a Huffman code padded by zeros", commit: block(0x00, 0x81, 0x18, 0x01, 'v'), codes: compression},
		{name: "a table larger than allowed", commit: block(0x3f, 0xe2, 0x1f, 0x82), codes: compression},
		{name: "a change of the table after a field", commit: block(0x82, 0x20), codes: compression},
		{name: "a block cut off", commit: block(0x40), codes: compression},
	}
}

// Each breach that is bound to no stream ends its connection, with the right code,
// and nobody else's.
func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	attack(t, 32<<20, func(t *testing.T, server *corsgate) {
		for _, test := range connectionBreaches() {
			t.Run(test.name, func(t *testing.T) {
				p := server.dial(t, peerOptions{})
				p.openCall(1)
				p.call(3)
				p.awaitGrant(3)
				_ = p.send(func(f *http2.Framer) { test.commit(p, f) })
				p.awaitConnectionError(test.codes...)
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.goAway != nil && p.goAway.LastStreamID != 3 && p.goAway.LastStreamID > 9 {
					t.Errorf("the last stream is %d", p.goAway.LastStreamID)
				}
			})
		}
	})
}

// malformed are headers of a request that RFC 9113, section 8.1.1, has reset.
func malformed() map[string][]hpack.HeaderField {
	change := func(at int, with ...hpack.HeaderField) []hpack.HeaderField {
		all := callHeaders(checkMethod)
		return append(append(append([]hpack.HeaderField(nil), all[:at]...), with...), all[at+1:]...)
	}
	more := func(fields ...hpack.HeaderField) []hpack.HeaderField { return callHeaders(checkMethod, fields...) }
	return map[string][]hpack.HeaderField{
		"no :method":                change(0),
		"no :scheme":                change(1),
		"no :path":                  change(2),
		"an empty :path":            change(2, field(":path", "")),
		"a path without a slash":    change(2, field(":path", "envoy.service.auth.v3.Authorization/Check")),
		"two :method":               change(0, field(":method", "POST"), field(":method", "POST")),
		"two :path":                 change(2, field(":path", checkMethod), field(":path", checkMethod)),
		"two :scheme":               change(1, field(":scheme", "http"), field(":scheme", "http")),
		"two :authority":            change(3, field(":authority", "a"), field(":authority", "a")),
		"an unknown pseudo-header":  change(0, field(":method", "POST"), field(":other", "x")),
		"a pseudo-header of answer": change(0, field(":method", "POST"), field(":status", "200")),
		"a pseudo-header late":      append(callHeaders(checkMethod)[:3], field("content-type", "application/grpc"), field(":authority", "a")),
		"an upper-case name":        more(field("X-Upper", "x")),
		"an upper-case letter":      more(field("x-uppeR", "x")),
		"an empty name":             more(field("", "x")),
		"a name with a space":       more(field("x y", "x")),
		"a name with a colon":       more(field("x:y", "x")),
		"a value with a line":       more(field("x-a", "b\r\nc: d")),
		"a value with NUL":          more(field("x-a", "b\x00")),
		"connection":                more(field("connection", "close")),
		"keep-alive":                more(field("keep-alive", "1")),
		"proxy-connection":          more(field("proxy-connection", "close")),
		"transfer-encoding":         more(field("transfer-encoding", "chunked")),
		"upgrade":                   more(field("upgrade", "h2c")),
		"te gzip":                   change(5, field("te", "gzip")),
	}
}

// A request whose headers are malformed is reset, or refused by an error of HTTP's,
// and never answered as a call; the connection goes on.
func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	for name, fields := range malformed() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, server.listen, peerOptions{})
			block := p.encode(fields...)
			_ = p.send(func(f *http2.Framer) {
				headersFrame(f, 1, false, block)
				_ = f.WriteData(1, true, framed(question(t, goodOrigin, 1)))
			})
			p.call(3)
			p.awaitGrant(3)
			a := p.awaitAnswer(1)
			if !a.reset && a.field(":status") != "400" || a.reset && a.code != http2.ErrCodeProtocol && a.headers == nil {
				t.Errorf("stream 1 is answered: %v", a)
			}
		})
	}
}

// streamBreaches are bound to stream 1, which is a call that has begun.
func streamBreaches() []breach {
	protocol := []http2.ErrCode{http2.ErrCodeProtocol}
	return []breach{
		{name: "WINDOW_UPDATE by 0", commit: func(_ *peer, f *http2.Framer) {
			_ = f.WriteRawFrame(http2.FrameWindowUpdate, 0, 1, []byte{0, 0, 0, 0})
		}, codes: protocol},
		{name: "a window beyond 2^31-1", commit: func(_ *peer, f *http2.Framer) {
			_ = f.WriteWindowUpdate(1, 1<<31-1)
		}, codes: []http2.ErrCode{http2.ErrCodeFlowControl}},
		{name: "more than content-length", commit: func(p *peer, f *http2.Framer) {
			headersFrame(f, 5, false, p.encode(callHeaders(checkMethod, field("content-length", "3"))...))
			_ = f.WriteData(5, true, make([]byte, 5))
		}, stream: 5, codes: protocol},
		{name: "less than content-length", commit: func(p *peer, f *http2.Framer) {
			headersFrame(f, 5, false, p.encode(callHeaders(checkMethod, field("content-length", "300"))...))
			_ = f.WriteData(5, true, make([]byte, 5))
		}, stream: 5, codes: protocol},
		{name: "trailers that do not end", commit: func(p *peer, f *http2.Framer) {
			headersFrame(f, 1, false, p.encode(field("x-trailer", "one")))
		}, codes: protocol},
		{name: "trailers with a pseudo-header", commit: func(p *peer, f *http2.Framer) {
			headersFrame(f, 1, true, p.encode(field(":path", "/")))
		}, codes: protocol},
		{name: "DATA after the end", commit: func(_ *peer, f *http2.Framer) {
			_ = f.WriteData(1, true, framed(nil)[:3])
			_ = f.WriteData(1, true, nil)
		}, codes: []http2.ErrCode{http2.ErrCodeStreamClosed}},
		{name: "HEADERS after the end", commit: func(p *peer, f *http2.Framer) {
			_ = f.WriteData(1, true, framed(nil)[:3])
			headersFrame(f, 1, true, p.encode(field("x-trailer", "one")))
		}, codes: []http2.ErrCode{http2.ErrCodeStreamClosed, http2.ErrCodeProtocol}},
		{name: "a stream that depends on itself, obsolete", commit: func(_ *peer, f *http2.Framer) {
			_ = f.WritePriority(1, http2.PriorityParam{StreamDep: 1})
			_ = f.WriteRawFrame(http2.FramePriority, 0, 1, []byte{1}) // this one is too short
		}, codes: []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeFrameSize}},
	}
}

// Each breach that is bound to a stream ends that, or the connection.
func TestStreamErrors(t *testing.T) {
	t.Parallel()
	attack(t, 32<<20, func(t *testing.T, server *corsgate) {
		for _, test := range streamBreaches() {
			t.Run(test.name, func(t *testing.T) {
				p := server.dial(t, peerOptions{})
				p.openCall(1)
				p.call(3)
				p.awaitGrant(3)
				_ = p.send(func(f *http2.Framer) { test.commit(p, f) })
				p.awaitStreamError(max(test.stream, 1), test.codes...)
			})
		}
	})
}

// After a stream was reset, the peer may not know it yet: what it has sent on it
// is passed over, and its header blocks still change the table.
func TestFramesOnAResetStream(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	p := dial(t, server.listen, peerOptions{})
	p.openCall(1)
	_ = p.send(func(f *http2.Framer) { _ = f.WriteWindowUpdate(1, 1<<31-1) })
	trailers := p.encode(field("x-trailer", "kept in the table"))
	_ = p.send(func(f *http2.Framer) {
		_ = f.WriteData(1, false, make([]byte, 1000))
		_ = f.WriteWindowUpdate(1, 10)
		headersFrame(f, 1, true, trailers)
		_ = f.WriteRSTStream(1, http2.ErrCodeCancel)
	})
	p.openCall(3, field("x-trailer", "kept in the table"))
	p.endCall(3, question(t, goodOrigin, 1))
	p.awaitGrant(3)
	p.awaitStreamError(1, http2.ErrCodeFlowControl)
}

// A client that says GOAWAY gets the answers to what it has asked.
func TestAnswersAfterGoAway(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	p := dial(t, server.listen, peerOptions{})
	p.openCall(1)
	_ = p.send(func(f *http2.Framer) { _ = f.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")) })
	p.awaitPongOrEnd()
	p.endCall(1, question(t, goodOrigin, 1))
	p.awaitGrant(1)
}

// PINGs are answered with what they hold, in order.
func TestPings(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	p := dial(t, server.listen, peerOptions{})
	for range 3 {
		p.awaitPong()
	}
}
