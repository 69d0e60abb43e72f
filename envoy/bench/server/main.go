// Command server answers Envoy's external authorization API in the ways with
// which the benchmarks compare corsgate:
//
//	server -as noop   -listen ADDR     one fixed answer, grpc-go as it comes
//	server -as tuned  -listen ADDR     the same, with corsgate's own tuning
//	server -as naive  -listen ADDR -policy FILE...
//	                                   reads the request's message, decides as
//	                                   corsgate does, writes the answer's message
//
// ADDR is host:port or unix:///path.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	as := flags.String("as", "noop", "`what` to be: noop, tuned or naive")
	address := flags.String("listen", "127.0.0.1:9191", "`address` to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var service authv3.AuthorizationServer
	var options []grpc.ServerOption
	switch *as {
	case "noop":
		service = newNoop()
	case "tuned":
		service, options = newNoop(), tuning()
		debug.SetGCPercent(gcPercent)
	case "naive":
		naive, err := newNaive(flags.Args())
		if err != nil {
			return err
		}
		service = naive
	default:
		return fmt.Errorf("there is no server %q: it is noop, tuned or naive", *as)
	}
	return serve(ctx, *address, service, options)
}

// serve answers until ctx ends.
func serve(ctx context.Context, address string, service authv3.AuthorizationServer, options []grpc.ServerOption) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		network, address = "unix", path
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, network, address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer(options...)
	authv3.RegisterAuthorizationServer(server, service)
	healthpb.RegisterHealthServer(server, health.NewServer())
	context.AfterFunc(ctx, server.Stop)
	if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
