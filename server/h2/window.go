package h2

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/http2"
)

// initialWindow is every window's size until something else is said (RFC 9113,
// section 6.9.2).
const initialWindow = 1<<16 - 1

// windows are the connection's flow control (RFC 9113, section 5.2).
type windows struct {
	// in is how much more the peer may send, and used what it has sent and was not
	// given back yet.
	in, used int
	// out is how much may be sent to the peer; streamOut is that for a new stream.
	out, streamOut int64
	// frame is the longest frame that the peer takes.
	frame int
	// blocked are the calls whose answers wait for room, in order.
	blocked []*stream
}

// receive counts what has come.
func (w *windows) receive(length int) error {
	if length > w.in {
		return &connError{http2.ErrCodeFlowControl, "more DATA than the connection's window has room for"}
	}
	w.in -= length
	w.used += length
	return nil
}

// giveBack lets the peer send as much again as it has sent, once that is much.
func (w *windows) giveBack(c *conn) {
	if w.used < connWindow/2 {
		return
	}
	c.output = appendWindowUpdate(c.output, 0, w.used)
	w.in += w.used
	w.used = 0
}

// forget drops a call that waits.
func (w *windows) forget(s *stream) {
	if at := slices.Index(w.blocked, s); at >= 0 {
		w.blocked = slices.Delete(w.blocked, at, at+1)
	}
	s.pending = nil
}

// windowUpdate takes a WINDOW_UPDATE frame (RFC 9113, section 6.9).
func (c *conn) windowUpdate(f *frame) error {
	if len(f.payload) != 4 {
		return &connError{http2.ErrCodeFrameSize, "a WINDOW_UPDATE that is not 4 bytes long"}
	}
	more := int64(binary.BigEndian.Uint32(f.payload) & streamMask)
	if f.stream == 0 {
		if more == 0 {
			return &connError{http2.ErrCodeProtocol, "a WINDOW_UPDATE of nothing"}
		}
		if c.windows.out += more; c.windows.out > largestWindow {
			return &connError{http2.ErrCodeFlowControl, "a window beyond 2^31-1"}
		}
		c.release()
		return nil
	}
	s := c.streams[f.stream]
	switch {
	case c.neverOpen(f.stream):
		return &connError{http2.ErrCodeProtocol, "WINDOW_UPDATE of a stream that was never open"}
	case more == 0:
		return c.resetStream(f.stream, http2.ErrCodeProtocol)
	case s == nil:
		return nil // it was under way
	}
	if s.out += more; s.out > largestWindow {
		return c.resetStream(f.stream, http2.ErrCodeFlowControl)
	}
	c.release()
	return nil
}

// resizeWindows changes the windows of all streams (RFC 9113, section 6.9.2), which
// may leave them with less than nothing.
func (c *conn) resizeWindows(size int64) error {
	change := size - c.windows.streamOut
	c.windows.streamOut = size
	for _, s := range c.streams {
		s.out += change
		if s.out > largestWindow {
			return &connError{http2.ErrCodeFlowControl, "a stream's window beyond 2^31-1"}
		}
	}
	c.release()
	return nil
}

// release sends what waited for room, first come first served.
func (c *conn) release() {
	c.changed.Broadcast()
	if len(c.windows.blocked) == 0 || c.windows.out <= 0 {
		return
	}
	for _, s := range slices.Clone(c.windows.blocked) {
		s.pending = s.pending[c.sendData(s, s.pending):]
		if len(s.pending) == 0 {
			c.finishCall(s)
		}
	}
}

// room is how much of an answer the peer would take now.
func (c *conn) room(s *stream) int { return int(max(0, min(c.windows.out, s.out))) }

// sendData writes DATA frames, as far as there is room, and returns how much that
// was.
func (c *conn) sendData(s *stream, data []byte) int {
	sent := 0
	for sent < len(data) {
		n := min(len(data)-sent, c.room(s), c.windows.frame)
		if n == 0 {
			break
		}
		c.output = appendFrameHeader(c.output, n, http2.FrameData, 0, s.id)
		c.output = append(c.output, data[sent:sent+n]...)
		c.windows.out -= int64(n)
		s.out -= int64(n)
		sent += n
	}
	return sent
}
