package main

import (
	"context"
	"path/filepath"

	"github.com/corsgate/corsgate/envoy/bench/machine"
)

const (
	// serverProcs is the GOMAXPROCS of all servers, so that none has more of the
	// machine than another.
	serverProcs = 2
	// Where a server has one core, that is serverCore, and the client has the
	// other.
	serverCore, clientCore = 1, 0
)

// A target is a server that can be asked.
type target struct {
	*process

	network, address string
	// admin is the address of corsgate's metrics; other servers have none.
	admin string
}

// place says where a server runs and listens.
type place struct {
	procs, core int
	unix        bool
}

// anywhere is where all servers run that are not confined to a core.
func anywhere() place { return place{procs: serverProcs, core: machine.AnyCore} }

// oneCore is a core of the server's own.
func oneCore() place { return place{procs: 1, core: serverCore} }

// listen chooses an address, and writes it as servers take it.
func (b *bench) listen(ctx context.Context, at place, name string) (network, address, flag string, err error) {
	if at.unix {
		path := filepath.Join(b.dir, name+".sock")
		return "unix", path, "unix://" + path, nil
	}
	address, err = freeAddress(ctx)
	return "tcp", address, address, err
}

// compared starts one of the servers that corsgate is compared with.
func (b *bench) compared(ctx context.Context, as string, at place, policies ...string) (*target, error) {
	network, address, flag, err := b.listen(ctx, at, as)
	if err != nil {
		return nil, err
	}
	p, err := b.run(ctx, program{
		name: as, path: b.server, args: append([]string{"-as", as, "-listen", flag}, policies...),
		procs: at.procs, core: at.core,
	})
	if err != nil {
		return nil, err
	}
	return &target{process: p, network: network, address: address}, p.await(ctx, accepts(network, address))
}

// corsgateAt starts corsgate itself.
func (b *bench) corsgateAt(ctx context.Context, at place, policies string) (*target, error) {
	network, address, flag, err := b.listen(ctx, at, "corsgate")
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p, err := b.run(ctx, program{
		name: "corsgate", path: b.corsgate, procs: at.procs, core: at.core,
		// It must not wait for an Envoy to look elsewhere when it is stopped.
		args: []string{"serve", "--policy", policies, "--listen", flag, "--admin", admin, "--drain-delay", "0s"},
	})
	if err != nil {
		return nil, err
	}
	return &target{process: p, network: network, address: address, admin: admin}, p.await(ctx, answers("http://"+admin+"/readyz", ""))
}
