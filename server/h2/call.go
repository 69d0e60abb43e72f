package h2

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// prefixLength is that of what stands before a message of gRPC: a byte that says
// whether it is compressed, and four that say how long it is.
const prefixLength = 5

// startCall begins a call.
func (c *conn) startCall(id uint32, end bool) error {
	s := c.open(id)
	s.ended = end
	if end {
		c.answer(s, nil)
	}
	return nil
}

// callData takes what came of a call's request. Nearly always that is all of it in
// one piece, which is answered where it lies.
func (c *conn) callData(s *stream, content []byte) error {
	if s.ended && len(s.body) == 0 {
		c.answer(s, content)
		return nil
	}
	s.body = append(s.body, content...)
	c.held += len(content)
	if s.ended {
		c.answer(s, s.body)
		return nil
	}
	limit := c.server.options.MaxMessageBytes + prefixLength
	if err := c.checkLength(s.body); err != nil {
		c.fail(s, err)
		return nil
	}
	if len(s.body) > limit || c.held > heldMessages*limit {
		c.fail(s, status.Error(codes.ResourceExhausted, "too much of requests that do not end"))
		return nil
	}
	const much = streamWindow / 2
	if s.in < much {
		c.output = appendWindowUpdate(c.output, s.id, streamWindow-s.in)
		s.in = streamWindow
	}
	return nil
}

// checkLength fails a request as soon as it says that it will be too long.
func (c *conn) checkLength(body []byte) error {
	if len(body) < prefixLength {
		return nil
	}
	if length, limit := binary.BigEndian.Uint32(body[1:]), c.server.options.MaxMessageBytes; int64(length) > int64(limit) {
		return status.Errorf(codes.ResourceExhausted, "the message is %d bytes long, and may be %d (--max-message-bytes)", length, limit)
	}
	return nil
}

// message returns the one message of a request.
func (c *conn) message(body []byte) ([]byte, error) {
	if len(body) < prefixLength {
		return nil, status.Error(codes.Internal, "the request ended before its message")
	}
	if err := c.checkLength(body); err != nil {
		return nil, err
	}
	length, message := int64(binary.BigEndian.Uint32(body[1:])), body[prefixLength:]
	switch {
	case body[0] != 0:
		return nil, status.Error(codes.Internal, "the message is marked as compressed, and the request names no grpc-encoding")
	case int64(len(message)) < length:
		return nil, status.Error(codes.Internal, fmt.Sprintf("the request ended within its message: %d bytes of %d", len(message), length))
	case int64(len(message)) > length:
		return nil, status.Error(codes.Internal, "more than one message in a request of one")
	}
	return message, nil
}

// answer answers a call whose request is whole.
func (c *conn) answer(s *stream, body []byte) {
	message, err := c.message(body)
	if err != nil {
		c.fail(s, err)
		return
	}
	c.output = c.answers.appendHead(c.output, s.id)
	data := len(c.output)
	c.output = appendFrameHeader(c.output, 0, http2.FrameData, 0, s.id)
	content := len(c.output)
	c.output = append(c.output, make([]byte, prefixLength)...)
	output, err := c.server.options.Unary(c.output, message)
	c.watch.called()
	if err != nil {
		// The head stays: its encoding is in the peer's table from now on.
		c.output = c.answers.appendFailure(c.output[:data], s.id, status.Convert(err))
		c.close(s)
		return
	}
	c.output = output
	length := len(output) - content
	binary.BigEndian.PutUint32(output[content+1:], uint32(length-prefixLength)) //nolint:gosec // an answer is far shorter
	if length > min(c.room(s), c.windows.frame) {
		s.pending = append([]byte(nil), output[content:]...)
		c.output = output[:data]
		c.windows.blocked = append(c.windows.blocked, s)
		c.release()
		return
	}
	putFrameLength(output[data:], length)
	c.windows.out -= int64(length)
	c.finishCall(s)
}

// finishCall ends a call that was answered.
func (c *conn) finishCall(s *stream) {
	c.output = c.answers.appendOK(c.output, s.id)
	c.close(s)
}

// fail answers a call with an error. A peer that has not finished its request is told
// that the rest of it is not needed (RFC 9113, section 8.1).
func (c *conn) fail(s *stream, err error) {
	c.output = c.answers.appendHead(c.output, s.id)
	c.output = c.answers.appendFailure(c.output, s.id, status.Convert(err))
	if !s.ended {
		c.output = appendReset(c.output, s.id, http2.ErrCodeNo)
	}
	c.close(s)
}

// refuse answers a request that is not looked at further with an HTTP status.
func (c *conn) refuse(stream uint32, end bool, code int) {
	c.output = c.answers.appendStatus(c.output, stream, code)
	if !end {
		c.output = appendReset(c.output, stream, http2.ErrCodeNo)
		c.resets.add(stream)
	}
}
