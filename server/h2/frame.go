package h2

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
)

// preface is what a client begins with (RFC 9113, section 3.4).
const preface = http2.ClientPreface

const (
	frameHeaderLength = 9
	// streamMask leaves out the bit that is reserved.
	streamMask = 1<<31 - 1
	// largestWindow is the most that a window may have (RFC 9113, section 6.9.1).
	largestWindow = 1<<31 - 1
)

// A frame is one frame as it came. Its payload is a view of what was read.
type frame struct {
	kind    http2.FrameType
	flags   http2.Flags
	stream  uint32
	payload []byte
}

// nextFrame cuts the first frame off what was read. It reports false where there
// is less than a whole one.
func nextFrame(input []byte) (f frame, rest []byte, whole bool, err error) {
	if len(input) < frameHeaderLength {
		return frame{}, input, false, nil
	}
	length := int(input[0])<<16 | int(input[1])<<8 | int(input[2])
	if length > maxFrame {
		return frame{}, nil, false, &connError{http2.ErrCodeFrameSize, fmt.Sprintf("a frame of %d bytes", length)}
	}
	end := frameHeaderLength + length
	if len(input) < end {
		return frame{}, input, false, nil
	}
	return frame{
		kind:    http2.FrameType(input[3]),
		flags:   http2.Flags(input[4]),
		stream:  binary.BigEndian.Uint32(input[5:]) & streamMask,
		payload: input[frameHeaderLength:end:end],
	}, input[end:], true, nil
}

// unpadded returns the payload of a DATA or HEADERS frame without its padding
// (RFC 9113, sections 6.1 and 6.2).
func (f *frame) unpadded() ([]byte, error) {
	if !f.flags.Has(http2.FlagDataPadded) { // HEADERS has the same bit for it
		return f.payload, nil
	}
	if len(f.payload) == 0 {
		return nil, &connError{http2.ErrCodeFrameSize, "a padded frame without the length of its padding"}
	}
	padding := int(f.payload[0])
	if padding >= len(f.payload) {
		return nil, &connError{http2.ErrCodeProtocol, "padding longer than its frame"}
	}
	return f.payload[1 : len(f.payload)-padding], nil
}

// A connError ends a connection (RFC 9113, section 5.4.1).
type connError struct {
	code   http2.ErrCode
	reason string
}

func (e *connError) Error() string { return e.reason + " (" + e.code.String() + ")" }

func appendFrameHeader(dst []byte, length int, kind http2.FrameType, flags http2.Flags, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags)) //nolint:gosec // at most 1<<24
	return binary.BigEndian.AppendUint32(dst, stream)
}

// putFrameLength writes a length over that of a frame which begins at the front.
func putFrameLength(frame []byte, length int) {
	frame[0], frame[1], frame[2] = byte(length>>16), byte(length>>8), byte(length) //nolint:gosec // at most 1<<24
}

func appendSettings(dst []byte, settings ...http2.Setting) []byte {
	const each = 6
	dst = appendFrameHeader(dst, each*len(settings), http2.FrameSettings, 0, 0)
	for _, setting := range settings {
		dst = binary.BigEndian.AppendUint16(dst, uint16(setting.ID))
		dst = binary.BigEndian.AppendUint32(dst, setting.Val)
	}
	return dst
}

func appendSettingsAck(dst []byte) []byte {
	return appendFrameHeader(dst, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
}

// pingData is what a PING carries.
type pingData [8]byte

func appendPing(dst []byte, flags http2.Flags, data pingData) []byte {
	return append(appendFrameHeader(dst, len(data), http2.FramePing, flags, 0), data[:]...)
}

func appendReset(dst []byte, stream uint32, code http2.ErrCode) []byte {
	dst = appendFrameHeader(dst, 4, http2.FrameRSTStream, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, stream uint32, increment int) []byte {
	dst = appendFrameHeader(dst, 4, http2.FrameWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(increment)) //nolint:gosec // at most connWindow
}

func appendGoAway(dst []byte, last uint32, code http2.ErrCode, reason string) []byte {
	dst = appendFrameHeader(dst, 8+len(reason), http2.FrameGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, reason...)
}
