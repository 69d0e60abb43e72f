package e2e_test

import (
	"context"
	"net"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A script stands in corsgate's place where a fault is wanted that the real one
// cannot be brought to show. It answers by the path's last part.
type script struct {
	authv3.UnimplementedAuthorizationServer

	// asked receives what Envoy asks about scriptAllow, while anybody listens.
	asked chan *authv3.AttributeContext
}

func startScript(t *testing.T) string {
	t.Helper()
	return serveScript(t, &script{})
}

func serveScript(t *testing.T, s *script) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

const (
	scriptSlow  = "http://api.shop.example/slow"
	scriptError = "http://api.shop.example/error"
	scriptSplit = "http://api.shop.example/split"
	scriptAllow = "http://api.shop.example/allow"
)

// Check implements authv3.AuthorizationServer.
func (s *script) Check(ctx context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	path := r.GetAttributes().GetRequest().GetHttp().GetPath()
	switch {
	case hasPath(path, scriptSlow):
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case hasPath(path, scriptError):
		return nil, status.Error(codes.Internal, "as scripted")
	case hasPath(path, scriptSplit):
		return allow("https://shop.example\r\nx-injected: yes"), nil
	case hasPath(path, scriptAllow):
		select {
		case s.asked <- r.GetAttributes():
		default:
		}
		return allow("https://shop.example"), nil
	}
	return nil, status.Error(codes.Unimplemented, path)
}

func allow(origin string) *authv3.CheckResponse {
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			ResponseHeadersToAdd: []*corev3.HeaderValueOption{{
				Header:       &corev3.HeaderValue{Key: "access-control-allow-origin", Value: origin},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			}},
		}},
	}
}
