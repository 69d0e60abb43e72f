package conformance_test

import (
	"encoding/binary"
	"net/url"
	"strconv"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// Origins of which the policy lets in one.
const (
	goodOrigin = "https://shop.example"
	badOrigin  = "https://shop.example.evil.example"
)

// question is a request from an origin, as Envoy asks about it. Its path has some
// length.
func question(tb testing.TB, origin string, pathLength int) []byte {
	tb.Helper()
	path := make([]byte, pathLength+1)
	for i := range path {
		path[i] = 'p'
	}
	path[0] = '/'
	encoded, err := proto.Marshal(request(origin, string(path)))
	if err != nil {
		tb.Fatal(err)
	}
	return encoded
}

func request(origin, path string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{
		Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Host: "api.shop.example", Path: path, Scheme: "https",
			Headers: map[string]string{"origin": origin, "user-agent": "conformance"},
		},
	}}}
}

// grants says whether a response lets an origin in.
func grants(response *authv3.CheckResponse, origin string) bool {
	for _, option := range response.GetOkResponse().GetResponseHeadersToAdd() {
		if isGrant(option.GetHeader(), origin) {
			return true
		}
	}
	return false
}

func isGrant(header *corev3.HeaderValue, origin string) bool {
	value := header.GetValue()
	if value == "" {
		value = string(header.GetRawValue())
	}
	return header.GetKey() == "access-control-allow-origin" && value == origin
}

// framed is a message with gRPC's prefix.
func framed(message []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(out, message...)
}

func field(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }

// callHeaders are those of a call, as gRPC's clients send them.
func callHeaders(path string, more ...hpack.HeaderField) []hpack.HeaderField {
	return append([]hpack.HeaderField{
		field(":method", "POST"), field(":scheme", "http"), field(":path", path), field(":authority", "corsgate"),
		field("content-type", "application/grpc"), field("te", "trailers"),
	}, more...)
}

// openCall sends the headers of a Check.
func (p *peer) openCall(stream uint32, more ...hpack.HeaderField) {
	block := p.encode(callHeaders(checkMethod, more...)...)
	_ = p.send(func(f *http2.Framer) {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true})
	})
}

// endCall sends the message of a call, and its end.
func (p *peer) endCall(stream uint32, message []byte) {
	_ = p.send(func(f *http2.Framer) { _ = f.WriteData(stream, true, framed(message)) })
}

// call asks a question that is answered with a grant.
func (p *peer) call(stream uint32) {
	p.tb.Helper()
	p.openCall(stream)
	p.endCall(stream, question(p.tb, goodOrigin, 1))
}

// awaitGrant waits for the answer to such a call, and holds it against what it
// must be.
func (p *peer) awaitGrant(stream uint32) {
	p.tb.Helper()
	a := p.awaitAnswer(stream)
	p.mu.Lock()
	defer p.mu.Unlock()
	var response authv3.CheckResponse
	switch {
	case a.reset && a.code != http2.ErrCodeNo, !a.finished, a.field("grpc-status") != "0":
		p.tb.Fatalf("stream %d: %v", stream, a)
	case len(a.headers) == 0 || a.headers[0] != field(":status", "200"), len(a.trailers) == 0,
		a.field("content-type") != "application/grpc":
		p.tb.Fatalf("stream %d is not answered in gRPC's form: %v", stream, a)
	case len(a.data) < 5 || a.data[0] != 0 || int(binary.BigEndian.Uint32(a.data[1:])) != len(a.data)-5:
		p.tb.Fatalf("stream %d: the message has no right prefix: %x", stream, a.data)
	}
	if err := proto.Unmarshal(a.data[5:], &response); err != nil {
		p.tb.Fatalf("stream %d: %v", stream, err)
	}
	if !grants(&response, goodOrigin) {
		p.tb.Fatalf("stream %d is not let in: %v", stream, &response)
	}
}

// awaitStatus waits for the end of a call that fails, and returns its status.
func (p *peer) awaitStatus(stream uint32) (codes.Code, string) {
	p.tb.Helper()
	a := p.awaitAnswer(stream)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !a.finished || a.field("grpc-status") == "" {
		p.tb.Fatalf("stream %d has no status: %v", stream, a)
	}
	n, err := strconv.ParseUint(a.field("grpc-status"), 10, 32)
	if err != nil {
		p.tb.Fatal(err)
	}
	return codes.Code(n), a.field("grpc-message")
}

// response is the message of an answer.
func (p *peer) response(stream uint32) *authv3.CheckResponse {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.answers[stream]
	if len(a.data) < 5 {
		p.tb.Fatalf("stream %d has no message: %v", stream, a)
	}
	var response authv3.CheckResponse
	if err := proto.Unmarshal(a.data[5:], &response); err != nil {
		p.tb.Fatalf("stream %d: %v", stream, err)
	}
	return &response
}

// stream sends the rest of a request in frames of one size, as the windows allow,
// and ends it.
func (p *peer) stream(stream uint32, body []byte, size int) {
	p.tb.Helper()
	const batch = 16 << 10 // of payload, at once
	p.await("the server's settings", func() bool { return len(p.settings) > 0 })
	p.mu.Lock()
	initial := 65535
	if set, ok := p.settings[http2.SettingInitialWindowSize]; ok {
		initial = int(set)
	}
	p.mu.Unlock()
	for sent := 0; sent < len(body); {
		room := 0
		p.await("a window for the request", func() bool {
			room = min(65535+p.windows[0], initial+p.windows[stream]) - sent
			return room > 0 || p.answers[stream].over()
		})
		if room <= 0 {
			return
		}
		end := min(sent+min(room, batch), len(body))
		err := p.send(func(f *http2.Framer) {
			for sent < end {
				next := min(sent+size, end)
				_ = f.WriteData(stream, next == len(body), body[sent:next])
				sent = next
			}
		})
		if err != nil {
			p.tb.Fatalf("after %d bytes: %v; %s", sent, err, p.state())
		}
	}
}

// begins says whether a status's message, percent-encoded as it may be, begins with
// a text.
func begins(message, text string) bool {
	decoded, err := url.PathUnescape(message)
	return err == nil && strings.HasPrefix(decoded, text)
}
