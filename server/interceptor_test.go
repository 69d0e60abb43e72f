package server

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lateStream is a stream that only has a context.
type lateStream struct {
	grpc.ServerStream
}

func (lateStream) Context() context.Context { return context.Background() }

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	m := newMetrics(Build{})
	r := &recoverer{metrics: m, logger: slog.New(slog.NewTextHandler(log, nil))}

	response, err := r.unary(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/check"},
		func(context.Context, any) (any, error) { panic("a secret of the request") })
	if response != nil || status.Code(err) != codes.Internal {
		t.Errorf("response %v, error %v; want Internal", response, err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the client is told what the panic said: %v", err)
	}
	err = r.stream(nil, lateStream{}, &grpc.StreamServerInfo{FullMethod: "/watch"},
		func(any, grpc.ServerStream) error { panic("another") })
	if status.Code(err) != codes.Internal {
		t.Errorf("error %v; want Internal", err)
	}
	for _, want := range []string{"method=/check", "method=/watch", "a secret of the request", "interceptor_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if got := series(t, m.registry)["corsgate_check_errors_total{cause=panic}"]; got != 2 {
		t.Errorf("%v panics counted, want 2", got)
	}
}
