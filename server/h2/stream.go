package h2

import (
	"slices"

	"golang.org/x/net/http2"
)

// A stream is one request and its answer. Either it is a call, which is answered
// when all of it has come, or it has an exchange with the handler.
type stream struct {
	id uint32
	// ended says that the peer has finished its request, closed that the stream is
	// over.
	ended, closed bool
	// in is how much more the peer may send, out how much may be sent to it.
	in  int
	out int64
	// body is what has come of the request and is not used yet.
	body []byte
	// pending is what the peer has no room for yet of a call's answer.
	pending []byte
	// exchange is nil for a call.
	exchange *exchange
}

func (c *conn) open(id uint32) *stream {
	var s *stream
	if n := len(c.idle); n > 0 {
		s, c.idle = c.idle[n-1], c.idle[:n-1]
	} else {
		s = &stream{}
	}
	*s = stream{id: id, in: streamWindow, out: c.windows.streamOut, body: s.body[:0]}
	c.streams[id] = s
	return s
}

// close ends a stream.
func (c *conn) close(s *stream) {
	s.closed = true
	delete(c.streams, s.id)
	if !s.ended {
		c.resets.add(s.id)
	}
	if s.pending != nil {
		c.windows.forget(s)
	}
	if s.exchange != nil {
		s.exchange.cancel()
		c.changed.Broadcast()
		return // its goroutine may look at it still
	}
	c.held -= len(s.body)
	if cap(s.body) > maxIdleBody {
		s.body = nil
	}
	if len(c.idle) < maxIdleStreams {
		c.idle = append(c.idle, s)
	}
}

// maxIdleStreams is how many streams are kept to be used again.
const maxIdleStreams = 64

// maxIdleBody is how large the memory for a request may be that is kept with them.
const maxIdleBody = 4 << 10

// data takes a DATA frame (RFC 9113, section 6.1).
func (c *conn) data(f *frame) error {
	if c.neverOpen(f.stream) {
		return &connError{http2.ErrCodeProtocol, "DATA of a stream that was never open"}
	}
	content, err := f.unpadded()
	if err != nil {
		return err
	}
	length := len(f.payload) // padding counts
	if err := c.windows.receive(length); err != nil {
		return err
	}
	s := c.streams[f.stream]
	end := f.flags.Has(http2.FlagDataEndStream)
	if len(content) == 0 && !end {
		if err := c.watch.control(); err != nil {
			return err
		}
	}
	switch {
	case s == nil && (c.resets.has(f.stream) || c.drain.ignores(f.stream)):
		return nil // it was under way
	case s == nil || s.ended:
		return c.resetStream(f.stream, http2.ErrCodeStreamClosed)
	case length > s.in:
		return c.resetStream(f.stream, http2.ErrCodeFlowControl)
	}
	s.in -= length
	s.ended = end
	if s.exchange != nil {
		return c.feed(s, content, length)
	}
	return c.callData(s, content)
}

// resets are the streams that were closed here last before the peer had finished
// them. What comes of these was under way, and is no error (RFC 9113, section 5.1).
type resets struct {
	recent []uint32
	next   int
}

func (r *resets) add(stream uint32) {
	if len(r.recent) < rememberedResets {
		r.recent = append(r.recent, stream)
		return
	}
	r.recent[r.next] = stream
	r.next = (r.next + 1) % rememberedResets
}

func (r *resets) has(stream uint32) bool { return slices.Contains(r.recent, stream) }
