package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// watchState is what the server's looks at a connection have seen.
type watchState struct {
	// frames is how many frames came since the last look that ask for no answer to a
	// call, beyond what the calls allow.
	frames int
	// heard and written are the connection's counts at the last look, and heardAt since
	// when the first is so.
	heard, written uint64
	heardAt        time.Time
	// stuckAt is since when every look has found the connection at work on the same, or
	// zero.
	stuckAt time.Time
	// pinged is when the peer was asked for a sign of life, or zero.
	pinged time.Time
	// blockLooks is how many looks found a header block without its end.
	blockLooks int
	// oldAt is when the connection has reached its age, or zero.
	oldAt time.Time
}

// control counts a frame that asks for nothing.
func (w *watchState) control() error {
	if w.frames++; w.frames > freeControl {
		return &connError{http2.ErrCodeEnhanceYourCalm, "too many frames that ask for nothing"}
	}
	return nil
}

// called counts a call that was answered.
func (w *watchState) called() { w.frames -= callControl }

// look looks after a connection. It does not wait for one that is at work, or whose peer
// does not read: that one ends if it goes on for too long.
func (c *conn) look(now time.Time) {
	w := &c.watch
	heard, written := c.heard.Load(), c.written.Load()
	if heard != w.heard {
		w.heardAt, w.pinged = now, time.Time{}
	}
	moved := heard != w.heard || written != w.written
	w.heard, w.written = heard, written
	if !c.mu.TryLock() {
		if moved || w.stuckAt.IsZero() {
			w.stuckAt = now
		}
		if now.Sub(w.stuckAt) > writeTimeout {
			_ = c.raw.Close() // whoever writes to it learns of it
		}
		return
	}
	w.stuckAt = time.Time{}
	defer c.mu.Unlock()
	w.frames = 0
	if !c.greeted {
		return // it has a deadline
	}
	if c.requests.stream != 0 {
		if w.blockLooks++; w.blockLooks > int(blockTimeout/c.server.interval) {
			_ = c.raw.Close() // there is nobody to tell
			return
		}
	}
	if c.drain.stage != drainNot {
		c.lookAtDrain(now)
		return
	}
	options := &c.server.options
	switch {
	case !w.oldAt.IsZero() && now.After(w.oldAt):
		go c.announceDrain(now, options.AgeGrace)
	case !w.pinged.IsZero() && now.Sub(w.pinged) > options.PingTimeout:
		_ = c.raw.Close() // nobody is there
	case w.pinged.IsZero() && options.PingInterval > 0 && now.Sub(w.heardAt) > options.PingInterval:
		w.pinged = now
		go c.askForLife()
	}
}

// lookAtDrain sees to it that a drain comes to its end.
func (c *conn) lookAtDrain(now time.Time) {
	switch d := &c.drain; {
	case d.stage == drainAnnounced && now.Sub(d.since) > drainPingTimeout:
		go c.endUnheard()
	case !d.ends.IsZero() && now.After(d.ends):
		_ = c.raw.Close() // the goroutine that reads learns of it
	}
}

// askForLife sends a ping. What comes back, whatever it is, is a sign of life.
func (c *conn) askForLife() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.output = appendPing(c.output, 0, pingData{})
	_ = c.turn() // the goroutine that reads learns of it
}

// endUnheard ends a connection whose peer does not answer the ping.
func (c *conn) endUnheard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drain.stage == drainAnnounced {
		c.announceEnd()
	}
}
