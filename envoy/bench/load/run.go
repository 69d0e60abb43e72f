package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/machine"
)

// Options is one measurement.
type Options struct {
	// Network and Address are those of the server: "tcp" with an address of this
	// machine, or "unix". No other machine is ever asked.
	Network, Address string
	Dialect          Dialect
	Connections      int
	// InFlight is how many requests are in flight all the time, on all
	// connections together: a closed loop.
	InFlight int
	// Rate is how many requests are sent each second, whatever becomes of them:
	// an open loop. One of InFlight and Rate is zero.
	Rate float64
	// Warmup goes before what is measured, which takes Duration.
	Warmup, Duration time.Duration
	// MaxRequests bounds what is sent in all.
	MaxRequests int
	// Core is where the client runs, or machine.AnyCore.
	Core int
	// Begin and End, unless nil, are called as the measurement begins and ends.
	// They must be quick: nothing is sent meanwhile.
	Begin, End func() error
}

// Result is what a measurement found.
type Result struct {
	// Answers counts those that came while it was measured.
	Answers int
	Elapsed time.Duration
	// CPU is what the client itself used.
	CPU time.Duration
	// Latencies are those of requests that should have been sent while it was
	// measured.
	Latencies Histogram
}

// Rate is how many answers came each second.
func (r *Result) Rate() float64 { return float64(r.Answers) / r.Elapsed.Seconds() }

// grace is how long answers may take that are missing at the end.
const grace = 5 * time.Second

// ErrUnanswered is of an open loop whose requests were not all answered.
var ErrUnanswered = errors.New("requests were not answered")

// Run measures. An answer that is wrong, or none, is an error: what a server
// does that fails is no figure.
func Run(ctx context.Context, opts Options) (*Result, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	result, err := runLocked(ctx, &opts)
	if err != nil {
		return nil, fmt.Errorf("put load on %s: %w", opts.Address, err)
	}
	return result, nil
}

func (o *Options) check() error {
	switch {
	case o.Connections < 1:
		return errors.New("a load needs a connection")
	case (o.InFlight > 0) == (o.Rate > 0):
		return errors.New("a load is either a number in flight or a rate")
	case o.InFlight > 0 && o.InFlight < o.Connections:
		return fmt.Errorf("%d in flight do not fill %d connections", o.InFlight, o.Connections)
	case o.Duration <= 0 || o.MaxRequests <= 0:
		return errors.New("a load is bounded in time and number")
	case o.Network == "unix":
		return nil
	}
	address, err := netip.ParseAddrPort(o.Address)
	if err != nil {
		return fmt.Errorf("read the address to put load on: %w", err)
	}
	if !address.Addr().IsLoopback() {
		return fmt.Errorf("%s is not on this machine; load is put on nothing else", o.Address)
	}
	return nil
}

func runLocked(ctx context.Context, opts *Options) (result *Result, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo, err := machine.Pin(opts.Core)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, undo()) }()
	if err := machine.ExactTimers(); err != nil {
		return nil, err
	}
	l := &loop{opts: opts, result: &Result{}, start: time.Now()}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.dial(ctx); err != nil {
		return nil, err
	}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return l.result, nil
}

// dial opens the connections, and takes their descriptors from Go's scheduler.
func (l *loop) dial(ctx context.Context) error {
	for i := range l.opts.Connections {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, l.opts.Network, l.opts.Address)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		fd, err := takeDescriptor(connection)
		if err != nil {
			return err
		}
		session, preface := l.opts.Dialect.Open(i)
		l.conns = append(l.conns, &conn{fd: fd, session: session, out: preface, in: make([]byte, readBuffer)})
		l.wakes = append(l.wakes, machine.Wake{FD: int32(fd)})
	}
	return nil
}

// takeDescriptor returns a copy of a connection's descriptor, which does not
// block, and closes the connection.
func takeDescriptor(conn net.Conn) (fd int, err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("take over a connection: a %T has no descriptor", conn)
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("take over a connection: %w", err)
	}
	var inner error
	if err := control.Control(func(original uintptr) {
		// The copy shares the original's state, in which it does not block.
		fd, inner = syscall.Dup(int(original))
	}); err != nil {
		return 0, fmt.Errorf("take over a connection: %w", err)
	}
	if inner != nil {
		return 0, fmt.Errorf("take over a connection: %w", inner)
	}
	syscall.CloseOnExec(fd)
	return fd, nil
}
