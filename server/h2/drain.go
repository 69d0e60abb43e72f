package h2

import (
	"errors"
	"time"

	"golang.org/x/net/http2"
)

// A connection ends in order in two steps (RFC 9113, section 6.8): the peer is told
// that there will be an end, and when it is known to have heard of it, by a ping
// that it answered, it is told which requests are the last.
type drainStage int

const (
	drainNot drainStage = iota
	drainAnnounced
	drainFinal
)

type drainState struct {
	stage drainStage
	since time.Time
	// ends is when the connection ends in any case, or zero.
	ends time.Time
	// last is the last stream that is served.
	last uint32
}

// drainPing is what that ping carries.
var drainPing = pingData{'t', 'h', 'e', ' ', 'e', 'n', 'd', '.'} //nolint:gochecknoglobals // an array cannot be a constant

// errDrained is why a connection ends that was drained.
var errDrained = errors.New("the connection was drained")

// ignores reports whether a stream came after the last.
func (d *drainState) ignores(stream uint32) bool { return d.stage == drainFinal && stream > d.last }

// over reports whether all has been answered that is to be.
func (d *drainState) over(open int) bool { return d.stage == drainFinal && open == 0 }

// announceDrain begins the end of a connection, which comes in any case after grace,
// unless that is zero.
func (c *conn) announceDrain(now time.Time, grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drain.stage != drainNot {
		return
	}
	c.drain.stage, c.drain.since = drainAnnounced, now
	if grace > 0 {
		c.drain.ends = now.Add(grace)
	}
	if c.greeted {
		c.sayDrain()
		_ = c.turn() // the goroutine that reads learns of it
	}
}

// sayDrain tells the peer that there will be an end.
func (c *conn) sayDrain() {
	c.output = appendGoAway(c.output, streamMask, http2.ErrCodeNo, "")
	c.output = appendPing(c.output, 0, drainPing)
}

// announceEnd says which request is the last.
func (c *conn) announceEnd() {
	c.drain.stage, c.drain.last = drainFinal, c.last
	c.output = appendGoAway(c.output, c.last, http2.ErrCodeNo, "")
	_ = c.turn() // the goroutine that reads learns of it
	if c.drain.over(len(c.streams)) {
		c.wake()
	}
}

// wake lets the goroutine that reads look whether the connection is over.
func (c *conn) wake() {
	_ = c.raw.SetReadDeadline(aLongTimeAgo) // else it is over with what comes next
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0) //nolint:gochecknoglobals // a time cannot be a constant
