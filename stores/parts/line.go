package parts

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// A Line lies between a client and a server, and can be cut.
type Line struct {
	// Address is where the client connects to.
	Address string

	server   string
	listener net.Listener
	running  sync.WaitGroup

	calling sync.Mutex // held while before runs

	mu    sync.Mutex
	isCut bool
	muted chan struct{} // open while nothing comes back, else nil
	// before is called before as many messages from the client have passed as
	// countdown says.
	before    func()
	countdown int
	conns     map[net.Conn]struct{}
}

// NewLine lays a line to a server's address. It ends with the test.
func NewLine(tb testing.TB, server string) *Line {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("lay a line: %v", err)
	}
	l := &Line{Address: listener.Addr().String(), server: server, listener: listener, conns: map[net.Conn]struct{}{}}
	l.running.Go(l.accept)
	tb.Cleanup(func() {
		_ = listener.Close()
		l.Cut()
		l.running.Wait()
	})
	return l
}

// Cut ends all connections, and those that are made from now on.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = true
	if l.muted != nil {
		close(l.muted)
		l.muted = nil
	}
	for conn := range l.conns {
		_ = conn.Close()
	}
}

// Mend lets connections be made again.
func (l *Line) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = false
	if l.muted != nil {
		close(l.muted)
		l.muted = nil
		for conn := range l.conns {
			_ = conn.Close()
		}
	}
}

// Mute lets nothing come back from the server any more until the line is mended,
// while all that is said to it arrives. What it has answered then is lost.
func (l *Line) Mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.muted = make(chan struct{})
}

// Before calls a function once, before the nth message from now on that a client
// sends reaches the server. It waits for the one before to have returned; zero is
// never.
func (l *Line) Before(nth int, f func()) {
	l.calling.Lock()
	defer l.calling.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before, l.countdown = f, nth
}

func (l *Line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		l.running.Go(func() { l.relay(client) })
	}
}

// relay carries what both ends say until one hangs up.
func (l *Line) relay(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	if !l.keep(client, server) {
		return
	}
	defer l.drop(client, server)
	ended := make(chan struct{}, 2)
	for _, way := range []struct {
		to   io.Writer
		from io.Reader
	}{{requests{l, server}, client}, {answers{l, client}, server}} {
		l.running.Go(func() {
			_, _ = io.Copy(way.to, way.from) // a connection that was cut is what this is for
			ended <- struct{}{}
		})
	}
	<-ended
}

// requests is the way to the server.
type requests struct {
	line   *Line
	server net.Conn
}

func (r requests) Write(data []byte) (int, error) {
	r.line.called()
	return r.server.Write(data)
}

// called counts a message, and calls what is to come before it.
func (l *Line) called() {
	l.calling.Lock()
	defer l.calling.Unlock()
	l.mu.Lock()
	l.countdown--
	before, due := l.before, l.countdown == 0
	l.mu.Unlock()
	if due {
		before()
	}
}

// answers is the way back to a client.
type answers struct {
	line   *Line
	client net.Conn
}

func (a answers) Write(data []byte) (int, error) {
	a.line.mu.Lock()
	muted := a.line.muted
	a.line.mu.Unlock()
	if muted != nil {
		<-muted
		return 0, net.ErrClosed
	}
	return a.client.Write(data)
}

// keep notes connections, and reports whether the line is whole.
func (l *Line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		l.conns[conn] = struct{}{}
	}
	return !l.isCut
}

func (l *Line) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		delete(l.conns, conn)
	}
}
