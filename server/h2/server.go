package h2

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options is how a server runs.
type Options struct {
	// Method is the path of the calls that Unary answers, as in /package.Service/Method.
	Method string
	// Unary answers a call: it appends the answer's message to dst and returns that, or an
	// error, which the caller gets as a status of gRPC. It must not wait for anything,
	// since its connection waits for it, must not panic, and must not keep the request.
	Unary func(dst, request []byte) ([]byte, error)
	// Others answers all other requests. What it gets is HTTP/2 in every respect.
	Others http.Handler
	// TLS secures the connections; nil leaves them in clear text.
	TLS *tls.Config
	// MaxMessageBytes bounds the message of a call.
	MaxMessageBytes int
	// MaxConnectionAge is after how long a connection is drained, give or take a tenth. Zero
	// is never.
	MaxConnectionAge time.Duration
	// AgeGrace is how long requests may go on after that. Zero is for ever.
	AgeGrace time.Duration
	// PingInterval is after how long without a sign of life a peer is asked for one, and
	// PingTimeout how long it may take to give one. Zero is not to ask.
	PingInterval, PingTimeout time.Duration
	// Logger gets defects, and at debug level why each connection ended.
	Logger *slog.Logger
}

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("the server is closed")

// A Server answers calls on connections.
type Server struct {
	options Options
	logger  *slog.Logger
	// interval is that between looks.
	interval time.Duration
	// loops are the goroutines of connections and the one that looks after them,
	// handlers those of exchanges.
	loops, handlers sync.WaitGroup

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	// ended is told when a connection has ended.
	ended *sync.Cond
	// draining and closed say that Shutdown and Close were called.
	draining, closed bool
	// stop ends the looks; it is nil before the first connection.
	stop chan struct{}
}

// New makes a server.
func New(options Options) *Server {
	s := &Server{
		options: options, logger: options.Logger,
		interval:  lookInterval,
		listeners: make(map[net.Listener]struct{}), conns: make(map[*conn]struct{}),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	for _, limit := range [...]time.Duration{options.MaxConnectionAge, options.PingInterval, options.PingTimeout} {
		const looks = 4 // to each of these times
		if limit > 0 {
			s.interval = max(time.Millisecond, min(s.interval, limit/looks))
		}
	}
	s.ended = sync.NewCond(&s.mu)
	return s
}

// Serve accepts connections until the server is closed or the listener fails. It
// closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	defer listener.Close() // closed already, as a rule
	if !s.track(listener) {
		return ErrServerClosed
	}
	defer s.untrack(listener)
	var pause time.Duration
	for {
		accepted, err := listener.Accept()
		if err == nil {
			pause = 0
			s.start(accepted)
			continue
		}
		if s.isClosed() {
			return ErrServerClosed
		}
		if passing, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !passing.Temporary() {
			return fmt.Errorf("accepting a connection: %w", err)
		}
		// No more files, as a rule; connections that end give some back.
		pause = min(max(2*pause, firstPause), longestPause)
		s.logger.LogAttrs(context.Background(), slog.LevelWarn, "a connection could not be accepted; trying again",
			slog.String("in", pause.String()), slog.Any("error", err))
		time.Sleep(pause)
	}
}

const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

func (s *Server) track(listener net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.closed {
		return false
	}
	s.listeners[listener] = struct{}{}
	return true
}

func (s *Server) untrack(listener net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, listener)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining || s.closed
}

// start begins to serve a connection.
func (s *Server) start(accepted net.Conn) {
	c := newConn(s, accepted)
	now := time.Now()
	c.watch.heardAt = now
	if age := s.options.MaxConnectionAge; age > 0 {
		const share = 10                                                          // so that not all of a client's connections end at once
		c.watch.oldAt = now.Add(age - age/share + rand.N(cmp.Or(2*age/share, 1))) //nolint:gosec // nobody gains by foreseeing it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.closed {
		_ = accepted.Close() // nothing was said on it
		return
	}
	s.conns[c] = struct{}{}
	if s.stop == nil {
		s.stop = make(chan struct{})
		stop := s.stop
		s.loops.Go(func() { s.lookAfter(stop) })
	}
	s.loops.Go(func() {
		c.run()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		s.ended.Broadcast()
	})
}

// lookAfter looks after all connections, now and then.
func (s *Server) lookAfter(stop <-chan struct{}) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			for _, c := range s.connections() {
				c.look(now)
			}
		}
	}
}

func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// Shutdown stops in order: it accepts nothing more, tells the peers, and waits until
// all requests that they sent before they knew have been answered, or ctx ends. In
// that case it returns the context's error, and the server is to be closed.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.closeListeners()
	s.mu.Unlock()
	now := time.Now()
	for _, c := range s.connections() {
		go c.announceDrain(now, 0)
	}
	stopped := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended.Broadcast()
	})
	defer stopped()
	s.mu.Lock()
	for len(s.conns) > 0 && ctx.Err() == nil {
		s.ended.Wait()
	}
	left := len(s.conns)
	s.mu.Unlock()
	if left > 0 {
		return fmt.Errorf("draining %d connections: %w", left, ctx.Err())
	}
	s.Close()
	return nil
}

// Close ends all connections at once, and waits for all that the server has begun.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed && s.stop != nil {
		close(s.stop)
	}
	s.closed = true
	s.closeListeners()
	for c := range s.conns {
		c.cancel()
		_ = c.raw.Close() // its goroutine learns of it
	}
	s.mu.Unlock()
	s.loops.Wait()
	s.handlers.Wait()
}

// closeListeners closes all listeners. mu is held.
func (s *Server) closeListeners() {
	for listener := range s.listeners {
		_ = listener.Close() // Serve returns
	}
}
