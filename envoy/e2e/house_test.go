package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/parts"
)

const (
	fixtures = "testdata/policies"
	// patience bounds every wait for another process.
	patience = 20 * time.Second
	pause    = 5 * time.Millisecond
)

// A house is a whole deployment: Envoy, corsgate, and a service.
type house struct {
	envoy    *parts.Proxy
	corsgate *parts.Service
	service  *service

	listen, admin string
	policies      string
	args          []string
	ids           atomic.Int64
}

// plan says how a house differs from the usual.
type plan struct {
	// file is the bootstrap; envoy.yaml if empty.
	file string
	// change changes the parsed bootstrap.
	change func(*bootstrap)
	// policies is a folder; the fixtures if empty.
	policies string
	// args are further arguments of `corsgate serve`.
	args []string
	// authz is the address of what Envoy asks in corsgate's place.
	authz string
}

func build(t *testing.T, p plan) *house {
	t.Helper()
	h := &house{
		service: startService(t), policies: p.policies, args: p.args,
		listen: freeAddress(t), admin: freeAddress(t),
	}
	if h.policies == "" {
		h.policies = fixtures
	}
	file := p.file
	if file == "" {
		file = "envoy.yaml"
	}
	b := readBootstrap(t, file)
	if p.authz == "" {
		h.startCorsgate(t)
		// A test machine that stalls must not look like a slow corsgate.
		dig[object](t, b.filter(), "grpc_service")["timeout"] = patience.String()
	} else {
		h.listen = p.authz
	}
	b.point("corsgate", h.listen)
	b.point("service", h.service.address())
	if p.change != nil {
		p.change(b)
	}
	envoy, err := parts.Start(t.Context(), b.json(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h.envoy = envoy
	t.Cleanup(func() { stop(t, envoy.Process) })
	return h
}

// startCorsgate starts corsgate, or starts it again on the same address.
func (h *house) startCorsgate(t *testing.T) {
	t.Helper()
	policies, err := filepath.Abs(h.policies)
	if err != nil {
		t.Fatal(err)
	}
	corsgate, err := parts.StartCorsgate(t.Context(), parts.ServiceOptions{
		Binary: corsgateBinary, Policies: []string{policies}, Listen: h.listen, Admin: h.admin, Dir: t.TempDir(),
		// There is no other replica to look to while this one drains.
		Args: append([]string{"--drain-delay", "0s"}, h.args...),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.corsgate = corsgate
	t.Cleanup(func() { stop(t, corsgate.Process) })
}

func stop(t *testing.T, p *parts.Process) {
	t.Helper()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		log, err := p.Log()
		t.Logf("log of %s: %v\n%s", p.Dir(), err, log)
	}
}

// newID names a request, so that the service and the access log know it again.
func (h *house) newID() string {
	return fmt.Sprintf("request-%d", h.ids.Add(1))
}

// address is where Envoy listens.
func (h *house) address() string { return h.envoy.Listeners["ingress"] }

// stat returns one of Envoy's counters.
func (h *house) stat(t *testing.T, name string) int64 {
	t.Helper()
	stats, err := h.envoy.Stats(t.Context(), "^"+strings.ReplaceAll(name, ".", `\.`)+"$")
	if err != nil {
		t.Fatal(err)
	}
	return stats[name]
}

// checks is how often Envoy has asked corsgate, by its own count.
func (h *house) checks(t *testing.T) int64 {
	t.Helper()
	return h.stat(t, "cluster.corsgate.upstream_rq_total")
}

// A logLine is one line of the access log.
type logLine struct {
	Method   string
	Path     string
	Origin   string
	Status   int
	Details  string
	Verdict  string
	Reason   string
	Policy   string
	Rule     string
	Position string
	Revision string
}

// logged returns the access log's line for a request.
func (h *house) logged(t *testing.T, id string) logLine {
	t.Helper()
	var found logLine
	eventually(t, "the access log to name "+id, func() bool {
		for _, line := range h.accessLog(t) {
			if _, query, _ := strings.Cut(line.Path, "?"); query == id {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

func (h *house) accessLog(t *testing.T) []logLine {
	t.Helper()
	lines, err := h.envoy.AccessLog()
	if err != nil {
		t.Fatal(err)
	}
	parsed := make([]logLine, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &parsed[i]); err != nil {
			t.Fatalf("the access log has a line that is no JSON: %v\n%s", err, line)
		}
	}
	return parsed
}

// eventually waits for what another process does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s in vain", patience, what)
		case <-time.After(pause):
		}
	}
}

// freeAddress returns an address on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
