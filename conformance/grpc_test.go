package conformance_test

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// Whatever form a call comes in, it is answered by what gRPC's mapping to HTTP/2
// asks, and as grpc-go does; each on a stream of one connection, between calls
// that are answered.
func TestFormsOfACall(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	good := framed(question(t, goodOrigin, 1))
	flagged := func(flag byte) []byte {
		message := append([]byte(nil), good...)
		message[0] = flag
		return message
	}
	encoding := func(name string) []hpack.HeaderField { return []hpack.HeaderField{field("grpc-encoding", name)} }
	for _, test := range []struct {
		name string
		more []hpack.HeaderField
		body []byte
		want codes.Code
		// says is the beginning of the status's message.
		says string
	}{
		{name: "plain", body: good},
		{name: "identity", more: encoding("identity"), body: good},
		{name: "metadata", more: []hpack.HeaderField{field("x-some", "metadata"), field("x-some-bin", "AAEC")}, body: good},
		{name: "much metadata", more: []hpack.HeaderField{field("x-some", strings.Repeat("m", 6000))}, body: good},
		{name: "trace context", more: []hpack.HeaderField{field("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), field("grpc-accept-encoding", "identity,deflate,gzip")}, body: good},
		{name: "timeout", more: []hpack.HeaderField{field("grpc-timeout", "30S")}, body: good},
		{name: "content-length", more: []hpack.HeaderField{field("content-length", strconv.Itoa(len(good)))}, body: good},

		{name: "two messages", body: append(framed(question(t, goodOrigin, 1)), good...), want: codes.Internal, says: "more than one message"},
		{name: "no message", body: nil, want: codes.Internal, says: "the request ended before its message"},
		{name: "trailing bytes", body: append(framed(question(t, goodOrigin, 1)), 0, 0), want: codes.Internal, says: "more than one message"},
		{name: "part of a prefix", body: good[:3], want: codes.Internal, says: "the request ended before its message"},
		{name: "a prefix alone", body: good[:5], want: codes.Internal, says: "the request ended within its message"},
		{name: "part of a message", body: good[:len(good)-1], want: codes.Internal, says: "the request ended within its message"},
		{name: "compressed, without a coding", body: flagged(1), want: codes.Internal, says: "the message is marked as compressed"},
		{name: "compressed, identity", more: encoding("identity"), body: flagged(1), want: codes.Internal, says: "the message is marked as compressed"},
		{name: "unknown flag", body: flagged(2), want: codes.Internal, says: "the message is marked as compressed"},
		{name: "all flags", body: flagged(255), want: codes.Internal, says: "the message is marked as compressed"},
		{name: "gzip", more: encoding("gzip"), body: flagged(1), want: codes.Unimplemented, says: "grpc: Decompressor is not installed"},
		{name: "gzip, not compressed", more: encoding("gzip"), body: good, want: codes.Unimplemented, says: "grpc: Decompressor is not installed"},
		{name: "no CheckRequest", body: framed([]byte("\xff\xff")), want: codes.InvalidArgument, says: "the message is no CheckRequest"},
		{name: "a prefix of 4 GiB", body: []byte{0, 255, 255, 255, 255}, want: codes.ResourceExhausted, says: "the message is 4294967295 bytes long, and may be 4194304"},
		{name: "one byte too long", body: binary.BigEndian.AppendUint32([]byte{0}, 4<<20+1), want: codes.ResourceExhausted, says: "the message is 4194305 bytes long, and may be 4194304"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, server.listen, peerOptions{})
			p.call(1)
			p.awaitGrant(1)
			p.openCall(3, test.more...)
			_ = p.send(func(f *http2.Framer) { _ = f.WriteData(3, true, test.body) })
			p.call(5)
			if test.want == codes.OK {
				p.awaitGrant(3)
			} else if code, message := p.awaitStatus(3); code != test.want || !begins(message, test.says) {
				t.Errorf("%v %q, want %v %q", code, message, test.want, test.says)
			}
			p.awaitGrant(5)
		})
	}
}

// A call that is no POST of gRPC to the path of Check is never answered as one.
func TestOtherRequests(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	for _, test := range []struct {
		name, method, path, contentType string
		status                          string     // of HTTP
		want                            codes.Code // where it has one
	}{
		{"proto", "POST", checkMethod, "application/grpc+proto", "200", codes.OK},
		{"another service", "POST", "/a.b/C", "application/grpc", "200", codes.Unimplemented},
		{"another method", "POST", "/envoy.service.auth.v3.Authorization/Chick", "application/grpc", "200", codes.Unimplemented},
		{"another version", "POST", "/envoy.service.auth.v2.Authorization/Check", "application/grpc", "200", codes.Unimplemented},
		{"with a query", "POST", checkMethod + "?x=y", "application/grpc", "200", codes.Unimplemented},
		{"with a slash", "POST", checkMethod + "/", "application/grpc", "200", codes.Unimplemented},
		{"upper case", "POST", "/envoy.service.auth.v3.Authorization/CHECK", "application/grpc", "200", codes.Unimplemented},
		{"JSON", "POST", checkMethod, "application/json", "415", 0},
		{"grpc-web", "POST", checkMethod, "application/grpc-web", "415", 0},
		{"nearly gRPC", "POST", checkMethod, "application/grpcx", "415", 0},
		{"no type", "POST", checkMethod, "", "415", 0},
		{"GET", "GET", checkMethod, "application/grpc", "405", 0},
		{"PUT", "PUT", checkMethod, "application/grpc", "405", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, server.listen, peerOptions{})
			fields := callHeaders(test.path)
			fields[0].Value, fields[4].Value = test.method, test.contentType
			if test.contentType == "" {
				fields = append(fields[:4], fields[5:]...)
			}
			block := p.encode(fields...)
			_ = p.send(func(f *http2.Framer) {
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
				_ = f.WriteData(1, true, framed(question(t, goodOrigin, 1)))
			})
			p.call(3)
			p.awaitGrant(3)
			a := p.awaitAnswer(1)
			if got := a.field(":status"); got != test.status {
				t.Fatalf("status %s, want %s: %v", got, test.status, a)
			}
			if test.status != "200" {
				return
			}
			if code, message := p.awaitStatus(1); code != test.want {
				t.Errorf("%v %q, want %v", code, message, test.want)
			}
		})
	}
}

// A message may come in any pieces, with any padding, with trailers or without.
func TestPiecesOfACall(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	body := framed(question(t, goodOrigin, 300))
	for name, write := range map[string]func(f *http2.Framer, encode func(...hpack.HeaderField) []byte){
		"byte by byte": func(f *http2.Framer, _ func(...hpack.HeaderField) []byte) {
			for i := range body {
				_ = f.WriteData(1, i == len(body)-1, body[i:i+1])
			}
		},
		"the end alone": func(f *http2.Framer, _ func(...hpack.HeaderField) []byte) {
			_ = f.WriteData(1, false, body)
			_ = f.WriteData(1, true, nil)
		},
		"empty frames between": func(f *http2.Framer, _ func(...hpack.HeaderField) []byte) {
			for _, piece := range [][]byte{nil, body[:2], nil, body[2:5], nil, body[5:], nil} {
				_ = f.WriteData(1, false, piece)
			}
			_ = f.WriteData(1, true, nil)
		},
		"a split prefix": func(f *http2.Framer, _ func(...hpack.HeaderField) []byte) {
			_ = f.WriteData(1, false, body[:1])
			_ = f.WriteData(1, false, body[1:4])
			_ = f.WriteData(1, true, body[4:])
		},
		"padded": func(f *http2.Framer, _ func(...hpack.HeaderField) []byte) {
			_ = f.WriteDataPadded(1, false, body[:9], make([]byte, 255))
			_ = f.WriteDataPadded(1, false, nil, make([]byte, 255))
			_ = f.WriteDataPadded(1, false, body[9:], nil)
			_ = f.WriteDataPadded(1, true, nil, []byte{})
		},
		"trailers": func(f *http2.Framer, encode func(...hpack.HeaderField) []byte) {
			_ = f.WriteData(1, false, body)
			trailers := encode(field("x-trailer", "one"), field("x-more-bin", "AAE"))
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: trailers, EndHeaders: true, EndStream: true})
		},
		"frames of a kind that nobody knows": func(f *http2.Framer, _ func(...hpack.HeaderField) []byte) {
			_ = f.WriteRawFrame(0xbe, 0xff, 1, []byte("greased"))
			_ = f.WriteData(1, false, body[:7])
			_ = f.WriteRawFrame(0xbf, 0xff, 0, make([]byte, 16384))
			_ = f.WritePriority(1, http2.PriorityParam{StreamDep: 7, Weight: 3})
			_ = f.WriteData(1, true, body[7:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, server.listen, peerOptions{})
			p.openCall(1)
			_ = p.send(func(f *http2.Framer) { write(f, p.encode) })
			p.awaitGrant(1)
			p.call(3)
			p.awaitGrant(3)
		})
	}
}

// A message of the largest size comes in frames of one byte, which are more than
// four million, and is answered.
func TestLargestMessageInBytes(t *testing.T) {
	t.Parallel()
	attack(t, 64<<20, func(t *testing.T, server *corsgate) {
		p := server.dial(t, peerOptions{})
		p.openCall(1)
		message := question(t, goodOrigin, 4<<20-200)
		if len(message) > 4<<20 {
			t.Fatal("the message is too long")
		}
		p.stream(1, framed(message), 1)
		p.awaitGrant(1)
	})
}

// Many calls at a time on one connection are answered, each by what it asked, in
// whatever order their pieces come.
func TestInterleavedCalls(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	p := dial(t, server.listen, peerOptions{})
	const calls = 90
	good, bad := framed(question(t, goodOrigin, 50)), framed(question(t, badOrigin, 50))
	body := func(i int) []byte {
		if i%2 == 0 {
			return good
		}
		return bad
	}
	stream := func(i int) uint32 { return uint32(2*i + 1) }
	for i := range calls {
		p.openCall(stream(i))
	}
	for offset := 0; offset < len(bad); offset += 7 {
		_ = p.send(func(f *http2.Framer) {
			for i := calls - 1; i >= 0; i-- {
				end := min(offset+7, len(body(i)))
				if offset < end {
					_ = f.WriteData(stream(i), end == len(body(i)), body(i)[offset:end])
				}
			}
		})
	}
	for i := range calls {
		if i%2 == 0 {
			p.awaitGrant(stream(i))
			continue
		}
		if code, _ := p.awaitStatus(stream(i)); code != codes.OK {
			t.Errorf("call %d: %v", i, code)
		}
		if response := p.response(stream(i)); response.GetDeniedResponse() == nil {
			t.Errorf("call %d is not denied: %v", i, response)
		}
	}
}
