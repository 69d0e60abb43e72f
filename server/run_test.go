package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

// ask returns the verdict on a GET from an origin.
func ask(t *testing.T, client authv3.AuthorizationClient, origin string) string {
	t.Helper()
	response, err := client.Check(short(t), check("GET", "api.example", "/", map[string]string{"origin": origin}))
	if err != nil {
		t.Fatal(err)
	}
	verdict, _ := read(t, response).Metadata["verdict"].(string)
	return verdict
}

// fetch asks the admin listener.
func (r *running) fetch(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(short(t), http.MethodGet, "http://"+r.bound.Admin.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func healthOf(t *testing.T, conn *grpc.ClientConn, service string) healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	response, err := healthpb.NewHealthClient(conn).Check(short(t), &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetStatus()
}

const authService = "envoy.service.auth.v3.Authorization"

func TestRunServesEverywhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "corsgate.sock")
	r := start(t, newMemory(shopPolicy), Options{
		Listen: []string{"127.0.0.1:0", "unix://" + path}, Admin: "127.0.0.1:0", SocketMode: 0o600,
	})
	for _, addr := range r.bound.Listen {
		conn := dial(t, addr, insecure.NewCredentials())
		client := authv3.NewAuthorizationClient(conn)
		if got := ask(t, client, "https://shop.example"); got != "allow" {
			t.Errorf("on %s: verdict %q", addr, got)
		}
		for _, service := range []string{"", authService} {
			if got := healthOf(t, conn, service); got != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("on %s: health of %q is %v", addr, service, got)
			}
		}
	}
	if code, text := r.fetch(t, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, text)
	}
	code, text := r.fetch(t, "/metrics")
	want := `corsgate_decisions_total{kind="actual",policy="shop",reason="origin_allowed",verdict="allow"} 2`
	if code != http.StatusOK || !strings.Contains(text, want) || !strings.Contains(text, "go_goroutines") {
		t.Errorf("/metrics: %d lacks %s:\n%s", code, want, text)
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket file is left behind: %v", err)
	}
	if _, err := new(net.Dialer).DialContext(short(t), "tcp", r.bound.Admin.String()); err == nil {
		t.Error("the admin listener is still open")
	}
}

func TestReflection(t *testing.T) {
	t.Parallel()
	r := start(t, newMemory(shopPolicy), Options{})
	stream, err := reflectionpb.NewServerReflectionClient(r.dial(t)).ServerReflectionInfo(short(t))
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(response.String(), authService) {
		t.Errorf("reflection does not list %s: %v", authService, response)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

func TestRunFollowsItsSource(t *testing.T) {
	t.Parallel()
	src, reload := newMemory(shopPolicy), make(chan struct{})
	r := start(t, src, Options{Admin: "127.0.0.1:0", Reload: reload})
	client := r.client(t)
	first := r.Policies().Status().Set.Revision()

	src.change(t, brokenPolicy)
	eventually(t, "the status is stale", func() bool { return r.Policies().Status().Stale() })
	if got := ask(t, client, "https://shop.example"); got != "allow" {
		t.Errorf("verdict %q after a bad change; the last good set should decide", got)
	}
	if code, _ := r.fetch(t, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz is %d after a bad change", code)
	}
	if _, text := r.fetch(t, "/policies"); !strings.Contains(text, `"ok": false`) || !strings.Contains(text, first) {
		t.Errorf("/policies does not say that the last reload failed:\n%s", text)
	}

	src.change(t, otherPolicy)
	eventually(t, "the change is in force", func() bool { return r.Policies().Status().Set.Revision() != first })
	if got := ask(t, client, "https://other.example"); got != "allow" {
		t.Errorf("verdict %q after a good change", got)
	}

	src.set(shopPolicy, nil)
	reload <- struct{}{}
	eventually(t, "the reload is in force", func() bool { return r.Policies().Status().Set.Revision() == first })
	src.set("", errors.New("the disk is gone"))
	reload <- struct{}{}
	eventually(t, "the failure shows", func() bool { return r.Policies().Status().Failure != nil })
	src.change(t, otherPolicy) // it watches again after each reload
	eventually(t, "the change is in force", func() bool { return r.Policies().Status().Set.Revision() != first })
}

func TestRunOutlivesItsWatch(t *testing.T) {
	t.Parallel()
	src, reload := newMemory(shopPolicy), make(chan struct{})
	r := start(t, src, Options{Reload: reload})
	src.watchFailure <- errors.New("too many watches")
	eventually(t, "the failure shows", func() bool {
		failure := r.Policies().Status().Failure
		return failure != nil && strings.Contains(failure.Error(), "too many watches")
	})
	if got := ask(t, r.client(t), "https://shop.example"); got != "allow" {
		t.Errorf("verdict %q", got)
	}
	reload <- struct{}{}
	eventually(t, "a reload mends it", func() bool { return !r.Policies().Status().Stale() })
	src.change(t, otherPolicy) // and it watches again
}

func TestRunRefusesToStart(t *testing.T) {
	t.Parallel()
	busy, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	path := filepath.Join(t.TempDir(), "x.sock")
	unreadable := newMemory("")
	unreadable.set("", errors.New("the disk is gone"))
	for name, test := range map[string]struct {
		src     *memory
		options Options
		want    []string
	}{
		"broken policies": {
			newMemory(brokenPolicy + "---\n" + brokenPolicy),
			Options{},
			[]string{"policies.yaml:6:13", "policies.yaml:11:9"},
		},
		"no policies":         {newMemory(""), Options{}, []string{"there is no CorsPolicy"}},
		"unreadable policies": {unreadable, Options{}, []string{"loading policies from memory: the disk is gone"}},
		"busy ports": {
			newMemory(shopPolicy),
			Options{Listen: []string{busy.Addr().String(), "unix://" + path}, Admin: busy.Addr().String()},
			[]string{"cannot listen on " + busy.Addr().String() + ": another program is listening there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.options.Listen == nil {
				test.options.Listen = []string{"127.0.0.1:0"}
			}
			server, err := New(test.src, test.options)
			if err != nil {
				t.Fatal(err)
			}
			err = server.Run(short(t))
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Run: %v, want %q", err, want)
				}
			}
			if problems := (policy.Problems{}); strings.HasSuffix(name, "policies") && name != "unreadable policies" && !errors.As(err, &problems) {
				t.Errorf("Run: %T, want policy.Problems", err)
			}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a socket file is left behind: %v", err)
		}
	})
}

// gate is a log that holds the first decision up until it is opened.
type gate struct {
	slog.Handler

	reached, open chan struct{}
}

func (g *gate) Enabled(context.Context, slog.Level) bool { return true }

func (g *gate) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "decision" {
		g.reached <- struct{}{}
		<-g.open
	}
	return nil
}

func TestDrainLetsCallsEnd(t *testing.T) {
	t.Parallel()
	held := &gate{Handler: slog.DiscardHandler, reached: make(chan struct{}), open: make(chan struct{})}
	r := start(t, newMemory(shopPolicy), Options{Logger: slog.New(held)})
	conn := r.dial(t)
	answered := make(chan error, 1)
	go func() {
		_, err := authv3.NewAuthorizationClient(conn).Check(context.Background(), check("GET", "api.example", "/", nil))
		answered <- err
	}()
	<-held.reached
	r.begin()
	eventually(t, "new connections are refused", func() bool {
		conn, err := new(net.Dialer).DialContext(short(t), "tcp", r.bound.Listen[0].String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-answered:
		t.Fatalf("the call in flight ended early: %v", err)
	case err := <-r.ended:
		t.Fatalf("Run ended before the call in flight: %v", err)
	default:
	}
	close(held.open)
	if err := <-answered; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestDrainDelay(t *testing.T) {
	t.Parallel()
	abort := make(chan struct{})
	r := start(t, newMemory(shopPolicy), Options{Admin: "127.0.0.1:0", DrainDelay: time.Hour, Abort: abort})
	conn := r.dial(t)
	watch, err := healthpb.NewHealthClient(conn).Watch(short(t), &healthpb.HealthCheckRequest{Service: authService})
	if err != nil {
		t.Fatal(err)
	}
	next := func() healthpb.HealthCheckResponse_ServingStatus {
		t.Helper()
		response, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return response.GetStatus()
	}
	if got := next(); got != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health %v before", got)
	}
	r.begin()
	if got := next(); got != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Fatalf("health %v while draining", got)
	}
	if got := healthOf(t, conn, ""); got != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health %v of the whole while draining", got)
	}
	if code, text := r.fetch(t, "/readyz"); code != http.StatusServiceUnavailable || text != "draining\n" {
		t.Errorf("/readyz: %d %s", code, text)
	}
	// Until the delay is over, it goes on as before, for new connections too.
	if got := ask(t, r.client(t), "https://shop.example"); got != "allow" {
		t.Errorf("verdict %q while draining", got)
	}
	close(abort) // a second signal
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ended with %v", err)
	}
}

func TestDrainTimeoutCutsOff(t *testing.T) {
	t.Parallel()
	r := start(t, newMemory(shopPolicy), Options{DrainTimeout: time.Millisecond})
	watch, err := healthpb.NewHealthClient(r.dial(t)).Watch(short(t), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil { // a watch never ends by itself
		t.Errorf("Run: %v", err)
	}
	if !strings.Contains(r.log.String(), "they are cut off") {
		t.Errorf("the log does not say that calls were cut off:\n%s", r.log)
	}
}

func TestRunWithFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "shop.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	put(shopPolicy)
	r := start(t, source.NewFile([]string{folder}, source.FileOptions{Logger: slog.New(slog.DiscardHandler)}), Options{})
	client := r.client(t)
	if got := ask(t, client, "https://other.example"); got != "deny" {
		t.Fatalf("verdict %q before", got)
	}
	put(otherPolicy)
	eventually(t, "the change is in force", func() bool { return ask(t, client, "https://other.example") == "allow" })
}
