package load

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/machine"
)

const (
	readBuffer = 256 << 10
	// patience is how long the loop waits where nothing is due, before it looks
	// whether it should end.
	patience = 50 * time.Millisecond
)

// A conn is one connection to the server.
type conn struct {
	fd      int
	session Session
	// out is what is to be written, in what was read and not yet dealt with.
	out  []byte
	in   []byte
	have int
	open int // requests without an answer
}

// A loop is one measurement under way. All times are nanoseconds since start.
type loop struct {
	opts   *Options
	result *Result
	start  time.Time
	conns  []*conn
	wakes  []machine.Wake
	waiter machine.Waiter

	// Measured is what lies between begin and end.
	begin, end int64
	begun      bool
	ended      bool

	// due holds the intended times of requests of an open loop that no
	// connection had room for.
	due  []int64
	next int64 // the next request's time, in an open loop
	turn int   // the connection that is asked next, in an open loop

	sent, open int
	wrong      error
	cpu        time.Duration
}

func (l *loop) now() int64 { return int64(time.Since(l.start)) }

func (l *loop) close() error {
	var errs []error
	for _, c := range l.conns {
		errs = append(errs, syscall.Close(c.fd))
	}
	return errors.Join(errs...)
}

func (l *loop) run(ctx context.Context) error {
	now := l.now()
	l.begin = now + int64(l.opts.Warmup)
	l.end = l.begin + int64(l.opts.Duration)
	l.next = now
	for {
		if err := l.mark(l.now()); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		now := l.now()
		if now > l.end+int64(grace) {
			return fmt.Errorf("%w: %d of %d, %s after the last was sent", ErrUnanswered, l.open+len(l.due), l.sent, grace)
		}
		l.ask(now)
		l.dispatch()
		if l.ended && (l.open == 0 || l.opts.InFlight > 0) {
			return nil
		}
		if err := l.exchange(); err != nil {
			return err
		}
	}
}

// mark notes when the measurement begins and ends.
func (l *loop) mark(now int64) error {
	if !l.begun && now >= l.begin {
		l.begun = true
		if err := call(l.opts.Begin); err != nil {
			return err
		}
		var err error
		if l.cpu, err = machine.ThreadCPU(); err != nil {
			return err
		}
		// What the caller did took time, in which nothing was due.
		l.begin = l.now()
		l.end = l.begin + int64(l.opts.Duration)
		l.next = max(l.next, l.begin)
	}
	if l.begun && now >= l.end && l.result.Latencies.Count() == 0 && now < l.begin+int64(l.opts.Duration+grace) {
		// A short measurement on a busy machine: it goes on until there is a
		// figure at all.
		l.end = now + int64(l.opts.Duration)
	}
	if l.begun && !l.ended && (now >= l.end || l.sent >= l.opts.MaxRequests) {
		l.ended = true
		l.result.Elapsed = time.Duration(l.now() - l.begin)
		cpu, err := machine.ThreadCPU()
		if err != nil {
			return err
		}
		l.result.CPU = cpu - l.cpu
		return call(l.opts.End)
	}
	return nil
}

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

// ask finds what is to be asked now.
func (l *loop) ask(now int64) {
	if l.opts.Rate > 0 {
		// Also after the end: this thread may have been kept from running, and
		// what fell due meanwhile is asked, late as it is.
		interval := int64(float64(time.Second) / l.opts.Rate)
		for l.next <= now && l.next < l.end {
			l.due = append(l.due, l.next)
			l.next += interval
		}
		return
	}
	if l.ended {
		return
	}
	for i, c := range l.conns {
		share := l.opts.InFlight / len(l.conns)
		if i < l.opts.InFlight%len(l.conns) {
			share++
		}
		for c.open < share && c.session.Room() && l.sent < l.opts.MaxRequests {
			l.send(c, now)
		}
	}
}

// dispatch gives what is due to connections that have room, in turn.
func (l *loop) dispatch() {
	given := 0
	for _, intended := range l.due {
		c := l.roomy()
		if c == nil {
			break
		}
		l.send(c, intended)
		given++
	}
	l.due = append(l.due[:0], l.due[given:]...)
}

func (l *loop) roomy() *conn {
	for range l.conns {
		c := l.conns[l.turn]
		if l.turn++; l.turn == len(l.conns) {
			l.turn = 0
		}
		if c.session.Room() {
			return c
		}
	}
	return nil
}

func (l *loop) send(c *conn, intended int64) {
	c.out = c.session.Ask(c.out, intended)
	c.open++
	l.open++
	l.sent++
}

// exchange writes what there is, waits until something can be done, and reads.
func (l *loop) exchange() error {
	for i, c := range l.conns {
		if err := c.write(); err != nil {
			return err
		}
		l.wakes[i].Write = len(c.out) > 0
	}
	limit := patience
	if !l.ended {
		at := l.end
		if !l.begun {
			at = l.begin
		}
		if l.opts.Rate > 0 {
			at = min(at, l.next)
		}
		limit = min(limit, time.Duration(at-l.now()))
	}
	if err := l.waiter.Wait(l.wakes, limit); err != nil {
		return err
	}
	for i, c := range l.conns {
		if !l.wakes[i].Readable {
			continue
		}
		if err := l.read(c); err != nil {
			return err
		}
	}
	return l.wrong
}

// write sends as much as the connection takes.
func (c *conn) write() error {
	for len(c.out) > 0 {
		n, err := syscall.Write(c.fd, c.out)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("write: %w", err)
		}
		c.out = append(c.out[:0], c.out[n:]...)
	}
	return nil
}

// read takes what has come, once: what is left makes the next wait short.
func (l *loop) read(c *conn) error {
	n, err := syscall.Read(c.fd, c.in[c.have:])
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errClosed
	}
	c.have += n
	now := l.now()
	done := func(intended int64, wrong error) { l.answered(c, intended, now, wrong) }
	from := 0
	for from < c.have {
		used, out, err := c.session.Hear(c.in[from:c.have], c.out, done)
		c.out = out
		if err != nil {
			return err
		}
		if used == 0 {
			break
		}
		from += used
	}
	c.have = copy(c.in, c.in[from:c.have])
	if c.have == len(c.in) {
		return fmt.Errorf("the server sent more than %d bytes that mean nothing yet", len(c.in))
	}
	return nil
}

func (l *loop) answered(c *conn, intended, now int64, wrong error) {
	c.open--
	l.open--
	if wrong != nil && l.wrong == nil {
		l.wrong = wrong
	}
	if !l.begun {
		return
	}
	if !l.ended {
		l.result.Answers++
	}
	if intended >= l.begin && intended < l.end {
		l.result.Latencies.Record(time.Duration(now - intended))
	}
}
