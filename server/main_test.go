package server

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience bounds every wait for something that must happen.
	patience = 20 * time.Second

	shopPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://shop.example]
  methods: [GET, PUT]
  requestHeaders: [Content-Type]
  exposeHeaders: [X-Request-Id]
  credentials: true
  maxAge: 10m
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: named
spec:
  origins: ["*"]
  enforcement: REPORT_ONLY
`
	otherPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: other
spec:
  targets: [{hosts: [api.example]}]
  origins: [https://other.example]
`
	brokenPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  origins: [https://shop.example/path]
`
)

// snapshot is what a source with one file, policies.yaml, would hand over.
func snapshot(text string) source.Snapshot {
	docs, problems := document.Read("policies.yaml", []byte(text))
	return source.Snapshot{Documents: docs, Problems: problems, Files: 1}
}

// memory is a source that a test writes to.
type memory struct {
	mu      sync.Mutex
	text    string
	failure error
	changes chan string
	// watchFailure, if anything comes, ends a Watch.
	watchFailure chan error
}

var _ source.Source = (*memory)(nil)

func newMemory(text string) *memory {
	return &memory{text: text, changes: make(chan string), watchFailure: make(chan error)}
}

func (m *memory) String() string { return "memory" }

func (m *memory) Load(context.Context) (source.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return snapshot(m.text), m.failure
}

func (m *memory) Watch(ctx context.Context, onChange func(source.Snapshot)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case text := <-m.changes:
			onChange(snapshot(text))
		case err := <-m.watchFailure:
			return err
		}
	}
}

// set changes what Load returns, without a sign of it.
func (m *memory) set(text string, failure error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text, m.failure = text, failure
}

// change delivers a change to Watch, and returns when it was taken up.
func (m *memory) change(t *testing.T, text string) {
	t.Helper()
	m.set(text, nil)
	select {
	case m.changes <- text:
	case <-time.After(patience):
		t.Fatal("the change was not taken up")
	}
}

// A running server, and what a test does with it.
type running struct {
	*Server

	bound Bound
	log   *logBuffer
	stop  func() error // asks it to stop and returns what Run did
	begin func()       // asks it to stop
	ended chan error
}

// start runs a server on loopback until the test ends.
func start(t *testing.T, src source.Source, options Options) *running {
	t.Helper()
	r := &running{log: &logBuffer{}, ended: make(chan error, 1)}
	if options.Listen == nil {
		options.Listen = []string{"127.0.0.1:0"}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	}
	if options.DrainTimeout == 0 {
		options.DrainTimeout = patience
	}
	ready := make(chan Bound, 1)
	options.Ready = func(bound Bound) { ready <- bound }
	server, err := New(src, options)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = server

	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.ended <- server.Run(ctx) }()
	r.begin = cancel
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-r.ended:
			return err
		case <-time.After(patience):
			t.Error("the server did not stop")
			return nil
		}
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case r.bound = <-ready:
	case err := <-r.ended:
		r.ended <- err
		t.Fatalf("Run ended: %v", err)
	case <-time.After(patience):
		t.Fatal("the server is not ready")
	}
	return r
}

// dial connects to the first address that the server listens on.
func (r *running) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	return dial(t, r.bound.Listen[0], insecure.NewCredentials())
}

func dial(t *testing.T, addr net.Addr, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	target := addr.String()
	if addr.Network() == "unix" {
		target = "unix://" + target
	}
	conn, err := grpc.NewClient("passthrough:///"+target,
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, addr.Network(), addr.String())
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (r *running) client(t *testing.T) authv3.AuthorizationClient {
	t.Helper()
	return authv3.NewAuthorizationClient(r.dial(t))
}

// short is a context that ends before the test would be stuck.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for something that another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("this did not come about: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

// check is a request as Envoy sends it, by its parts.
func check(method, host, path string, headers map[string]string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{
		Http: &authv3.AttributeContext_HttpRequest{
			Method: method, Host: host, Path: path, Scheme: "https", Headers: headers,
		},
	}}}
}
