package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/load"
	"github.com/corsgate/corsgate/envoy/bench/machine"
	"github.com/corsgate/corsgate/envoy/bench/scene"
	"github.com/corsgate/corsgate/envoy/parts"
)

const (
	envoyConnections = 32
	envoyRate        = 1_000
	envoyClosedSpan  = 1500 * time.Millisecond
	envoyOpenSpan    = 3 * time.Second
	// Where no server is asked, a few hundredths are to be told apart, and a machine
	// that is shared differs by more than that from one second to the next.
	envoyIdleSpan  = 300 * time.Millisecond
	envoyIdleTurns = 4
	// envoyRequests is how many different requests there are.
	envoyRequests = 4096
	// envoyOrigins is how many origins Envoy's own filter has in its list, which
	// it goes through one by one. All requests come from one of them.
	envoyOrigins = 1_000
)

// The Envoys that are measured, and the server that each asks.
const (
	plainEnvoy    = "no filter"
	corsEnvoy     = "Envoy's CORS filter"
	noopEnvoy     = "no-op server"
	naiveEnvoy    = "naive server"
	corsgateEnvoy = "corsgate"
	socketEnvoy   = "corsgate over a Unix socket"
	routesEnvoy   = "corsgate by routes"
)

// An envoyCell is one Envoy, and what it is asked.
type envoyCell struct {
	name, envoy string
	kind        scene.Kind
	open        bool
}

// The cells of the experiment.
const (
	plainCross        = "envoy/none/cross-origin"
	corsCross         = "envoy/cors/cross-origin"
	noopCross         = "envoy/noop/cross-origin"
	naiveCross        = "envoy/naive/cross-origin"
	corsgateCross     = "envoy/corsgate/cross-origin"
	socketCross       = "envoy/socket/cross-origin"
	routesCross       = "envoy/routes/cross-origin"
	plainBare         = "envoy/none/no-origin"
	skipBare          = "envoy/corsgate/no-origin"
	routesBare        = "envoy/routes/no-origin"
	plainSame         = "envoy/none/same-origin"
	skipSame          = "envoy/corsgate/same-origin"
	routesSame        = "envoy/routes/same-origin"
	corsPreflight     = "envoy/cors/preflight"
	corsgatePreflight = "envoy/corsgate/preflight"
	plainOpen         = "envoy/none/1000"
	noopEnvoyOpen     = "envoy/noop/1000"
	corsgateEnvoyOpen = "envoy/corsgate/1000"
	socketEnvoyOpen   = "envoy/socket/1000"
)

// envoyCells are in the order in which each round measures them: what is
// compared stands together.
func envoyCells() []envoyCell {
	return []envoyCell{
		{plainBare, plainEnvoy, scene.NoOrigin, false},
		{routesBare, routesEnvoy, scene.NoOrigin, false},
		{skipBare, corsgateEnvoy, scene.NoOrigin, false},
		{plainSame, plainEnvoy, scene.SameOrigin, false},
		{routesSame, routesEnvoy, scene.SameOrigin, false},
		{skipSame, corsgateEnvoy, scene.SameOrigin, false},
		{plainCross, plainEnvoy, scene.CrossOrigin, false},
		{corsCross, corsEnvoy, scene.CrossOrigin, false},
		{noopCross, noopEnvoy, scene.CrossOrigin, false},
		{naiveCross, naiveEnvoy, scene.CrossOrigin, false},
		{corsgateCross, corsgateEnvoy, scene.CrossOrigin, false},
		{socketCross, socketEnvoy, scene.CrossOrigin, false},
		{routesCross, routesEnvoy, scene.CrossOrigin, false},
		{corsPreflight, corsEnvoy, scene.Preflight, false},
		{corsgatePreflight, corsgateEnvoy, scene.Preflight, false},
		{plainOpen, plainEnvoy, scene.CrossOrigin, true},
		{noopEnvoyOpen, noopEnvoy, scene.CrossOrigin, true},
		{corsgateEnvoyOpen, corsgateEnvoy, scene.CrossOrigin, true},
		{socketEnvoyOpen, socketEnvoy, scene.CrossOrigin, true},
	}
}

// asksNobody reports whether our samples do not ask corsgate.
func (c *envoyCell) asksNobody() bool { return c.kind == scene.NoOrigin || c.kind == scene.SameOrigin }

// span is how long a cell is measured at a time.
func (c *envoyCell) span() time.Duration {
	switch {
	case c.open:
		return envoyOpenSpan
	case c.asksNobody():
		return envoyIdleSpan
	default:
		return envoyClosedSpan
	}
}

func (b *bench) envoyExperiments() []experiment {
	idle, asking := make(map[string]time.Duration), make(map[string]time.Duration)
	for _, c := range envoyCells() {
		if c.asksNobody() {
			idle[c.name] = c.span() + warmup
		} else {
			asking[c.name] = c.span() + warmup
		}
	}
	return []experiment{
		{name: "envoy, idle filter", about: 5 * time.Second, cells: idle, turns: envoyIdleTurns, open: b.openEnvoys},
		{name: "envoy", about: 10 * time.Second, cells: asking, open: b.openEnvoys},
	}
}

// A proxy is a running Envoy and the server that it asks.
type proxy struct {
	*process

	listener string
	asks     *target // nil where it asks none
}

// openEnvoys starts an Envoy for each configuration that is wanted, and the
// servers that they ask.
func (b *bench) openEnvoys(ctx context.Context, want func(string) bool) ([]cell, error) {
	dir, origins, err := b.policies(checkOrigins, 0)
	if err != nil {
		return nil, err
	}
	binary, err := parts.Envoy(ctx)
	if err != nil {
		return nil, err
	}
	fleet := &fleet{
		bench: b, binary: binary, policies: dir, origins: origins,
		proxies: make(map[string]*proxy), requests: make(map[scene.Kind][][]byte),
	}
	var cells []cell
	for _, c := range envoyCells() {
		if !want(c.name) {
			continue
		}
		p, err := fleet.proxy(ctx, c.envoy)
		if err != nil {
			return nil, err
		}
		cells = append(cells, fleet.cell(c, p))
	}
	return cells, nil
}

// A fleet is the Envoys of the experiment and what they share.
type fleet struct {
	*bench

	binary      string
	policies    string // the folder
	origins     string // the file in it that lists them
	proxies     map[string]*proxy
	requests    map[scene.Kind][][]byte
	corsgateTCP *target
}

func (f *fleet) cell(c envoyCell, p *proxy) cell {
	if f.requests[c.kind] == nil {
		f.requests[c.kind] = scene.Requests(c.kind, envoyRequests, f.number(envoyOrigins))
	}
	status := http.StatusOK
	if c.kind == scene.Preflight && c.envoy != corsEnvoy {
		status = http.StatusNoContent
	}
	opts := load.Options{
		Network: "tcp", Address: p.listener, Dialect: &load.HTTP1{Requests: f.requests[c.kind], Status: status},
		Connections: envoyConnections, InFlight: envoyConnections, Duration: c.span(), Core: machine.AnyCore,
	}
	if c.open {
		opts.InFlight, opts.Rate = 0, envoyRate
	}
	processes := []*process{p.process}
	if p.asks != nil {
		processes = append(processes, p.asks.process)
	}
	return cell{c.name, func(ctx context.Context) (sample, error) { return f.put(ctx, opts, metricEnvoyCPU, processes...) }}
}

// proxy returns the Envoy of a configuration, which is started when it is first
// asked for.
func (f *fleet) proxy(ctx context.Context, name string) (*proxy, error) {
	if p := f.proxies[name]; p != nil {
		return p, nil
	}
	file := "envoy.yaml"
	if name == routesEnvoy {
		file = "envoy-routes.yaml"
	}
	sample, err := readSample(f.repository, file)
	if err != nil {
		return nil, err
	}
	asks, err := f.asked(ctx, name)
	if err != nil {
		return nil, err
	}
	switch {
	case asks != nil:
		sample.ask(asks.network, asks.address)
	case name == corsEnvoy:
		origins := make([]string, f.number(envoyOrigins))
		for i := range origins {
			origins[i] = scene.Origin(i)
		}
		sample.withEnvoyCORS(origins)
	default:
		sample.withoutFilter()
	}
	p, err := f.startEnvoy(ctx, name, sample)
	if err != nil {
		return nil, err
	}
	p.asks = asks
	f.proxies[name] = p
	return p, nil
}

// asked starts the server that an Envoy asks.
func (f *fleet) asked(ctx context.Context, name string) (*target, error) {
	switch name {
	case noopEnvoy:
		return f.compared(ctx, "noop", anywhere())
	case naiveEnvoy:
		return f.compared(ctx, "naive", anywhere(), filepath.Join(f.policies, "policies.yaml"), f.origins)
	case socketEnvoy:
		at := anywhere()
		at.unix = true
		return f.corsgateAt(ctx, at, f.policies)
	case corsgateEnvoy, routesEnvoy:
		if f.corsgateTCP == nil {
			var err error
			if f.corsgateTCP, err = f.corsgateAt(ctx, anywhere(), f.policies); err != nil {
				return nil, err
			}
		}
		return f.corsgateTCP, nil
	default:
		return nil, nil
	}
}

// startEnvoy starts an Envoy with one worker, and waits until it is live.
func (f *fleet) startEnvoy(ctx context.Context, name string, sample *bootstrap) (*proxy, error) {
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	listener, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	sample.ports(admin, listener)
	text, err := sample.json()
	if err != nil {
		return nil, err
	}
	config, err := os.CreateTemp(f.dir, "envoy-*.json")
	if err != nil {
		return nil, fmt.Errorf("write Envoy's configuration: %w", err)
	}
	if _, err := config.Write(text); err != nil {
		return nil, fmt.Errorf("write Envoy's configuration: %w", err)
	}
	if err := config.Close(); err != nil {
		return nil, fmt.Errorf("write Envoy's configuration: %w", err)
	}
	p, err := f.run(ctx, program{
		name: "Envoy with " + name, path: f.binary, procs: serverProcs, core: machine.AnyCore,
		args: []string{"--config-path", config.Name(), "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"},
	})
	if err != nil {
		return nil, err
	}
	return &proxy{process: p, listener: listener}, p.await(ctx, answers("http://"+admin+"/ready", "LIVE"))
}
