package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// recoverer turns a panic into a gRPC error. One request must not take the
// decisions of all others with it, and a defect must not become an allow.
type recoverer struct {
	metrics *metrics
	logger  *slog.Logger
}

// unary guards calls of one message.
func (r *recoverer) unary(
	ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (response any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			response, err = nil, r.caught(ctx, info.FullMethod, cause)
		}
	}()
	return handler(ctx, request)
}

// stream guards calls of many messages: health watches and reflection.
func (r *recoverer) stream(
	service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = r.caught(stream.Context(), info.FullMethod, cause)
		}
	}()
	return handler(service, stream)
}

// caught records a panic. The client learns that there was one and not what it
// said, which may hold a request's data.
func (r *recoverer) caught(ctx context.Context, method string, cause any) error {
	r.metrics.checkErrors.WithLabelValues(causePanic).Inc()
	r.logger.LogAttrs(ctx, slog.LevelError, "a panic was caught; this is a defect in corsgate",
		slog.String("method", method),
		slog.String("panic", fmt.Sprint(cause)),
		slog.String("stack", string(debug.Stack())))
	return status.Error(codes.Internal, "corsgate failed; its log says why")
}
