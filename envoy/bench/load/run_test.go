package load

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy/bench/machine"
)

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip(machine.ErrUnsupported)
	}
}

// brief is a measurement that is over soon.
func brief(network, address string, dialect Dialect) Options {
	return Options{
		Network: network, Address: address, Dialect: dialect, Connections: 2, InFlight: 8,
		Duration: 100 * time.Millisecond, Warmup: 10 * time.Millisecond, MaxRequests: 1_000_000, Core: machine.AnyCore,
	}
}

// healthServer is a gRPC server with a method that is called with messages of
// any size: the name of the service that is asked about is that long.
type healthServer struct {
	grpc_health_v1.UnimplementedHealthServer

	calls atomic.Int64
	check func(name string) error
}

func (h *healthServer) Check(_ context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h.calls.Add(1)
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, h.check(r.GetService())
}

func serveHealth(t *testing.T, network, address string, check func(name string) error) (*healthServer, net.Addr) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	server, service := grpc.NewServer(), &healthServer{check: check}
	grpc_health_v1.RegisterHealthServer(server, service)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return service, listener.Addr()
}

func healthMessages(t *testing.T, sizes ...int) *GRPC {
	t.Helper()
	dialect := &GRPC{Method: "/grpc.health.v1.Health/Check"}
	for _, size := range sizes {
		message, err := proto.Marshal(&grpc_health_v1.HealthCheckRequest{Service: string(make([]byte, size))})
		if err != nil {
			t.Fatal(err)
		}
		dialect.Messages = append(dialect.Messages, message)
	}
	return dialect
}

// TestGRPC asks a real gRPC server, with messages below and above the size of a
// frame, often enough to use up each window many times.
func TestGRPC(t *testing.T) {
	t.Parallel()
	needLinux(t)
	sizes := []int{0, 1, 1500, maxFrame - grpcPrefix - 4, maxFrame, 2*maxFrame + 1, 3 * maxFrame}
	known := make(map[int]bool)
	for _, size := range sizes {
		known[size] = true
	}
	var seen [7]atomic.Bool
	service, address := serveHealth(t, "tcp", "127.0.0.1:0", func(name string) error {
		for i, size := range sizes {
			if size == len(name) {
				seen[i].Store(true)
			}
		}
		if !known[len(name)] {
			return status.Errorf(codes.InvalidArgument, "%d bytes", len(name))
		}
		return nil
	})
	opts := brief("tcp", address.String(), healthMessages(t, sizes...))
	// Until all sizes were asked for several times, whatever the machine does.
	opts.MaxRequests, opts.Duration = 200, time.Minute
	result, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if result.Answers == 0 || result.Latencies.Count() == 0 || result.CPU <= 0 || result.Rate() <= 0 {
		t.Errorf("the result is %d answers, %d latencies, CPU %s", result.Answers, result.Latencies.Count(), result.CPU)
	}
	for i := range seen {
		if !seen[i].Load() {
			t.Errorf("no message of %d bytes arrived", sizes[i])
		}
	}
	if calls := service.calls.Load(); calls > 200 {
		t.Errorf("%d calls arrived, of 200 at the most", calls)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	needLinux(t)
	_, address := serveHealth(t, "unix", t.TempDir()+"/s", func(string) error { return nil })
	if _, err := Run(t.Context(), brief("unix", address.String(), healthMessages(t, 10))); err != nil {
		t.Fatal(err)
	}
}

// TestRefusal wants calls that fail to be an error, not a figure.
func TestRefusal(t *testing.T) {
	t.Parallel()
	needLinux(t)
	_, address := serveHealth(t, "tcp", "127.0.0.1:0", func(string) error { return status.Error(codes.Unavailable, "come again") })
	_, err := Run(t.Context(), brief("tcp", address.String(), healthMessages(t, 10)))
	if !says(err, `grpc-status "14": come again`) {
		t.Errorf("the error is %v", err)
	}
}

// TestStall lets a server do nothing for a while. An open loop must see what
// that does to all requests that fell due meanwhile: a client that waits with
// its next request for the answer to the last would record one slow answer.
func TestStall(t *testing.T) {
	t.Parallel()
	needLinux(t)
	const stall, rate = 200 * time.Millisecond, 1000
	var first atomic.Bool
	var began atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if began.Load() && first.CompareAndSwap(false, true) {
			time.Sleep(stall) // What is tested is what this does.
		}
	}))
	t.Cleanup(server.Close)
	opts := brief("tcp", server.Listener.Addr().String(), &HTTP1{Requests: [][]byte{[]byte("GET / HTTP/1.1\r\nhost: a\r\n\r\n")}, Status: 200})
	opts.Connections, opts.InFlight, opts.Rate, opts.Duration = 1, 0, rate, 500*time.Millisecond
	opts.Begin = func() error { began.Store(true); return nil }
	result, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if count := result.Latencies.Count(); count != 500 {
		t.Errorf("%d latencies, want 500: one for each request that was due", count)
	}
	if got := result.Latencies.Quantile(1); got < stall {
		t.Errorf("the slowest answer took %s, of a stall of %s", got, stall)
	}
	// A hundred requests fell due in the first half of the stall, and each waited
	// for its other half.
	if got := result.Latencies.Quantile(0.8); got < stall/2 {
		t.Errorf("four in five took no more than %s", got)
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	needLinux(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	opts := brief("tcp", server.Listener.Addr().String(), &HTTP1{Requests: [][]byte{[]byte("GET / HTTP/1.1\r\nhost: a\r\n\r\n")}, Status: 200})
	opts.InFlight, opts.Rate = 0, 100
	if _, err := Run(t.Context(), opts); !errors.Is(err, ErrUnanswered) {
		t.Errorf("the error is %v, want %v", err, ErrUnanswered)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"another machine", func(o *Options) { o.Address = "192.0.2.1:80" }, "not on this machine"},
		{"a name", func(o *Options) { o.Address = "example.com:80" }, "read the address"},
		{"no connection", func(o *Options) { o.Connections = 0 }, "needs a connection"},
		{"both loops", func(o *Options) { o.Rate = 1 }, "either a number in flight or a rate"},
		{"no loop", func(o *Options) { o.InFlight = 0 }, "either a number in flight or a rate"},
		{"too few in flight", func(o *Options) { o.InFlight = 1 }, "do not fill"},
		{"no end", func(o *Options) { o.Duration = 0 }, "bounded in time"},
		{"any number", func(o *Options) { o.MaxRequests = 0 }, "bounded in time and number"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			opts := brief("tcp", "127.0.0.1:1", &HTTP1{})
			row.change(&opts)
			if _, err := Run(t.Context(), opts); !says(err, row.want) {
				t.Errorf("the error is %v, want %q", err, row.want)
			}
		})
	}
}
