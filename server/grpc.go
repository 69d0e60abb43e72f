package server

import (
	"log/slog"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

const (
	// minPingInterval is the shortest time between a client's keepalive pings.
	// Envoy's connection_keepalive is often set to seconds; grpc-go's own limit
	// of five minutes would answer those with GOAWAY "too_many_pings".
	minPingInterval = time.Second
	// pingInterval and pingTimeout find connections whose other end is gone.
	pingInterval = 30 * time.Second
	pingTimeout  = 10 * time.Second
	// ageGrace is how long calls may go on after a connection reached its age.
	ageGrace = 30 * time.Second
	// streamWorkers is how many goroutines wait for calls. One that is kept has
	// its stack grown already, which a new one for each call must grow again: that
	// took a tenth to a fifth off the processor time of a call. Where all of them
	// are busy, calls get goroutines of their own.
	streamWorkers = 128
	// windowBytes is HTTP/2's flow control, for a stream and for a connection. By
	// itself gRPC measures what the network can take, with pings of its own. A
	// fixed window saves that, another tenth, and takes no memory before it is
	// used. Larger read buffers brought nothing.
	windowBytes = 1 << 20
)

// newGRPC makes the gRPC server with what it serves: Check, health and
// reflection.
func newGRPC(options *Options, tlsKeeper *keeper, policies *Policies, m *metrics, logger *slog.Logger) (*grpc.Server, *health.Server) {
	guard := &recoverer{metrics: m, logger: logger}
	calls := newCalls()
	serverOptions := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec(calls)),
		grpc.UnaryInterceptor(guard.unary), // of all services but Check
		grpc.StreamInterceptor(guard.stream),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StaticStreamWindowSize(windowBytes),
		grpc.StaticConnWindowSize(windowBytes),
		grpc.MaxRecvMsgSize(options.MaxMessageBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			// Clients reconnect now and then, and so find replicas that are new.
			MaxConnectionAge:      options.MaxConnectionAge,
			MaxConnectionAgeGrace: ageGrace,
			Time:                  pingInterval,
			Timeout:               pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             minPingInterval,
			PermitWithoutStream: true,
		}),
	}
	if tlsKeeper != nil {
		serverOptions = append(serverOptions, grpc.Creds(credentials.NewTLS(tlsKeeper.config())))
	}
	server := grpc.NewServer(serverOptions...)
	server.RegisterService(checkService(), &authorization{
		policies: policies, metrics: m, logger: logger, guard: guard, calls: calls, began: time.Now(),
	})
	healthServer := health.NewServer()
	healthpb.RegisterHealthServer(server, healthServer)
	reflection.Register(server)
	return server, healthServer
}

// setHealth says on grpc.health.v1 whether requests should come here, both for
// the server as a whole and for the one service that Envoy may ask about.
func setHealth(server *health.Server, serving bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		state = healthpb.HealthCheckResponse_SERVING
	}
	server.SetServingStatus("", state)
	server.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, state)
}
