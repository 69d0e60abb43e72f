package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2/hpack"
)

// GRPC calls one method over HTTP/2 without TLS, with messages that are ready.
type GRPC struct {
	// Method is /package.Service/Method.
	Method string
	// Messages are marshalled requests, asked in turn.
	Messages [][]byte
}

var _ Dialect = (*GRPC)(nil)

// The frames and flags of HTTP/2 (RFC 9113, sections 6 and 7) that are spoken.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	settingInitialWindow = 0x4

	frameHeaderLength = 9
	maxFrame          = 16384
	defaultWindow     = 65535
	largestWindow     = 1<<31 - 1
	grpcPrefix        = 5

	// slots is how many calls a connection may have in flight, a power of two.
	slots = 1 << 15
)

// Open implements [Dialect].
func (g *GRPC) Open(connection int) (session Session, preface []byte) {
	s := &grpcSession{
		dialect: g, next: spread(connection, len(g.Messages)),
		stream: 1, window: defaultWindow, streamWindow: defaultWindow,
		intended: make([]int64, slots),
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func() []byte {
		block.Reset()
		// Like Envoy's own calls, but with time enough for a machine that stalls: that
		// is a latency, and the end of the measurement only where it never ends.
		for _, field := range [...][2]string{
			{":method", "POST"},
			{":path", g.Method},
			{":authority", "corsgate"},
			{":scheme", "http"},
			{"te", "trailers"},
			{"grpc-timeout", "250m"},
			{"content-type", "application/grpc"},
			{"x-envoy-internal", "true"},
			{"x-forwarded-for", "10.20.30.40"},
		} {
			// Writing to a buffer does not fail.
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
		}
		return bytes.Clone(block.Bytes())
	}
	// The first block teaches the server's table; all later ones refer to it.
	s.first, s.block = encode(), encode()
	s.decoder = hpack.NewDecoder(4096, s.field)

	preface = append(preface, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"...)
	preface = appendFrame(preface, frameSettings, 0, 0, nil)
	return s, appendWindow(preface, largestWindow-defaultWindow)
}

type grpcSession struct {
	dialect *GRPC
	next    int

	stream       uint32 // the next stream's number
	window       int64  // what may be sent on the connection
	streamWindow int64  // what may be sent on a new stream
	received     int64  // what was received since the server was last told to go on
	intended     []int64
	open         int

	first, block []byte
	decoder      *hpack.Decoder
	// What the header block in hand says.
	grpcStatus, grpcMessage string
}

// size is what the next message takes of the windows.
func (s *grpcSession) size() int64 { return int64(grpcPrefix + len(s.dialect.Messages[s.next])) }

func (s *grpcSession) Room() bool { return s.open < slots && s.size() <= s.window }

func (s *grpcSession) Ask(dst []byte, intended int64) []byte {
	block := s.block
	if s.first != nil {
		block, s.first = s.first, nil
	}
	dst = appendFrame(dst, frameHeaders, flagEndHeaders, s.stream, block)

	message := s.dialect.Messages[s.next]
	s.window -= s.size()
	var prefix [grpcPrefix]byte
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(message)))
	inFirst := min(len(message), maxFrame-grpcPrefix)
	dst = appendFrameHeader(dst, grpcPrefix+inFirst, frameData, endStream(inFirst == len(message)), s.stream)
	dst = append(append(dst, prefix[:]...), message[:inFirst]...)
	for rest := message[inFirst:]; len(rest) > 0; {
		part := rest[:min(len(rest), maxFrame)]
		rest = rest[len(part):]
		dst = appendFrame(dst, frameData, endStream(len(rest) == 0), s.stream, part)
	}

	s.intended[s.stream/2%slots] = intended
	s.open++
	s.stream += 2
	if s.next++; s.next == len(s.dialect.Messages) {
		s.next = 0
	}
	return dst
}

func endStream(last bool) byte {
	if last {
		return flagEndStream
	}
	return 0
}

func (s *grpcSession) Hear(data, dst []byte, done func(int64, error)) (used int, reply []byte, err error) {
	for {
		rest := data[used:]
		if len(rest) < frameHeaderLength {
			return used, dst, nil
		}
		length := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
		if len(rest) < frameHeaderLength+length {
			return used, dst, nil
		}
		frame := frame{
			kind: rest[3], flags: rest[4], stream: binary.BigEndian.Uint32(rest[5:]) & largestWindow,
			body: rest[frameHeaderLength : frameHeaderLength+length],
		}
		if dst, err = s.frame(frame, dst, done); err != nil {
			return used, dst, err
		}
		used += frameHeaderLength + length
	}
}

type frame struct {
	kind, flags byte
	stream      uint32
	body        []byte
}

var errHTTP2 = errors.New("the server speaks HTTP/2 in a way that this client does not")

func (s *grpcSession) frame(f frame, dst []byte, done func(int64, error)) ([]byte, error) {
	switch f.kind {
	case frameData:
		if s.received += int64(len(f.body)); s.received > largestWindow/2 {
			dst = appendWindow(dst, uint32(s.received))
			s.received = 0
		}
		if f.flags&flagEndStream != 0 {
			return dst, fmt.Errorf("%w: a call without trailers", errHTTP2)
		}
		return dst, nil
	case frameHeaders:
		return dst, s.headers(f, done)
	case frameSettings:
		if f.flags&flagAck != 0 {
			return dst, nil
		}
		for body := f.body; len(body) >= 6; body = body[6:] {
			if binary.BigEndian.Uint16(body) == settingInitialWindow {
				s.streamWindow = int64(binary.BigEndian.Uint32(body[2:]))
			}
		}
		if s.streamWindow < s.size() {
			return dst, fmt.Errorf("%w: its streams take %d bytes", errHTTP2, s.streamWindow)
		}
		return appendFrame(dst, frameSettings, flagAck, 0, nil), nil
	case framePing:
		if f.flags&flagAck != 0 {
			return dst, nil
		}
		return appendFrame(dst, framePing, flagAck, 0, f.body), nil
	case frameWindow:
		if f.stream == 0 && len(f.body) == 4 {
			s.window += int64(binary.BigEndian.Uint32(f.body))
		}
		return dst, nil
	case frameReset:
		return dst, fmt.Errorf("%w: it reset stream %d: % x", errHTTP2, f.stream, f.body)
	case frameGoAway:
		return dst, fmt.Errorf("%w: %q", errClosed, f.body)
	case frameContinuation:
		return dst, fmt.Errorf("%w: a header block in several frames", errHTTP2)
	default:
		return dst, nil
	}
}

// headers reads an answer's headers or trailers. With trailers a call ends.
func (s *grpcSession) headers(f frame, done func(int64, error)) error {
	if f.flags&flagEndHeaders == 0 || f.flags&(flagPadded|flagPriority) != 0 {
		return fmt.Errorf("%w: header flags %#x", errHTTP2, f.flags)
	}
	s.grpcStatus, s.grpcMessage = "", ""
	if _, err := s.decoder.Write(f.body); err != nil {
		return fmt.Errorf("read a header block: %w", err)
	}
	if err := s.decoder.Close(); err != nil {
		return fmt.Errorf("read a header block: %w", err)
	}
	if f.flags&flagEndStream == 0 {
		return nil
	}
	var wrong error
	if s.grpcStatus != "0" {
		wrong = fmt.Errorf("the call ended with grpc-status %q: %s", s.grpcStatus, s.grpcMessage)
	}
	s.open--
	done(s.intended[f.stream/2%slots], wrong)
	return nil
}

func (s *grpcSession) field(f hpack.HeaderField) {
	switch f.Name {
	case "grpc-status":
		s.grpcStatus = f.Value
	case "grpc-message":
		s.grpcMessage = f.Value
	}
}

func appendFrameHeader(dst []byte, length int, kind, flags byte, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	return binary.BigEndian.AppendUint32(dst, stream)
}

func appendFrame(dst []byte, kind, flags byte, stream uint32, body []byte) []byte {
	return append(appendFrameHeader(dst, len(body), kind, flags, stream), body...)
}

func appendWindow(dst []byte, by uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHeader(dst, 4, frameWindow, 0, 0), by)
}
