package server

import (
	"log/slog"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/corsgate/corsgate/server/h2"
)

const (
	// pingInterval and pingTimeout find connections whose other end is gone.
	pingInterval = 30 * time.Second
	pingTimeout  = 10 * time.Second
	// ageGrace is how long calls may go on after a connection reached its age.
	ageGrace = 30 * time.Second
)

// A front is what Envoy talks to. Checks in the form that Envoy sends are answered by
// h2; whatever else comes, health, reflection and Checks in any other form that gRPC
// allows, goes to a gRPC server, on the same connections.
type front struct {
	*h2.Server

	others *grpc.Server
	health *health.Server
}

// newFront makes the front with what it serves: Check, health and reflection.
func newFront(options *Options, tlsKeeper *keeper, policies *Policies, m *metrics, logger *slog.Logger) *front {
	guard := &recoverer{metrics: m, logger: logger}
	calls := newCalls()
	checks := &authorization{
		policies: policies, metrics: m, logger: logger, guard: guard, calls: calls, began: time.Now(),
	}
	f := &front{health: health.NewServer()}
	f.others = grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec(calls)),
		grpc.UnaryInterceptor(guard.unary), // of all services but Check
		grpc.StreamInterceptor(guard.stream),
		grpc.MaxRecvMsgSize(options.MaxMessageBytes),
	)
	f.others.RegisterService(checkService(), checks)
	healthpb.RegisterHealthServer(f.others, f.health)
	reflection.Register(f.others)

	h := h2.Options{
		Method: checkMethod, Unary: checks.respond, Others: f.others,
		MaxMessageBytes: options.MaxMessageBytes,
		// Clients reconnect now and then, and so find replicas that are new.
		MaxConnectionAge: options.MaxConnectionAge, AgeGrace: ageGrace,
		PingInterval: pingInterval, PingTimeout: pingTimeout,
		Logger: logger,
	}
	if tlsKeeper != nil {
		h.TLS = tlsKeeper.config()
	}
	f.Server = h2.New(h)
	return f
}

// Close ends everything at once.
func (f *front) Close() {
	f.Server.Close()
	f.others.Stop()
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
