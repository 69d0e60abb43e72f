package server

import (
	"context"
	"log/slog"
	"strings"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
)

// authorization answers envoy.service.auth.v3.Authorization.
type authorization struct {
	policies *Policies
	metrics  *metrics
	logger   *slog.Logger
	guard    *recoverer
	calls    *calls
	// began is a moment to count time from.
	began time.Time
}

// checker is what serves calls of Check.
type checker interface {
	serve(ctx context.Context, decode func(any) error) (any, error)
}

var _ checker = (*authorization)(nil)

// checkMethod is what calls are logged as.
const checkMethod = "/envoy.service.auth.v3.Authorization/Check"

// checkService describes the service as the generated code does, but for the
// form of its messages, which is that of [call].
func checkService() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: authv3.Authorization_ServiceDesc.ServiceName,
		HandlerType: (*checker)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Check",
			// There is no interceptor to pass through: what is to happen to a Check
			// happens in serve.
			Handler: func(service any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return service.(checker).serve(ctx, decode) //nolint:forcetypeassert // grpc.Server holds services against HandlerType
			},
		}},
		Metadata: authv3.Authorization_ServiceDesc.Metadata,
	}
}

// respond answers one call from its bytes: it appends the response to dst.
func (a *authorization) respond(dst, request []byte) (response []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			response, err = nil, a.guard.caught(context.Background(), checkMethod, cause)
		}
	}()
	c := a.calls.get()
	response, err = a.check(context.Background(), dst, request, &c.request)
	a.calls.put(c)
	return response, err
}

// serve answers one call that came by way of gRPC.
func (a *authorization) serve(ctx context.Context, decode func(any) error) (reply any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			reply, err = nil, a.guard.caught(ctx, checkMethod, cause)
		}
	}()
	c := a.calls.get()
	if err = decode(c); err == nil {
		c.output, err = a.check(ctx, c.output[:0], c.input.ReadOnlyData(), &c.request)
	}
	if err != nil {
		a.calls.put(c)
		return nil, err
	}
	c.forget()
	return c, nil
}

// check decides one request, which r is filled from, and appends the answer to dst. What cannot be decided is a
// gRPC error and never an answer: Envoy counts it as an error of ours and applies
// failure_mode_allow.
func (a *authorization) check(ctx context.Context, dst, request []byte, r *policy.Request) ([]byte, error) {
	// One clock, read twice: time.Now would read two.
	started := time.Since(a.began)
	current := a.policies.live.Load()
	if current == nil {
		a.metrics.checkErrors.WithLabelValues(causeNotLoaded).Inc()
		return dst, status.Error(codes.Unavailable, "no policies are loaded yet")
	}

	if err := readWire(request, r); err != nil {
		a.metrics.checkErrors.WithLabelValues(causeMalformed).Inc()
		return dst, status.Error(codes.InvalidArgument, err.Error())
	}
	decision := current.set.Decide(r)
	outcome := current.outcome(&decision)
	answer, err := current.appendAnswer(dst, &decision, outcome)
	if err != nil {
		a.metrics.checkErrors.WithLabelValues(causeInternal).Inc()
		a.logger.LogAttrs(ctx, slog.LevelError, "a decision could not be sent",
			slog.String("error", err.Error()), slog.String("revision", current.set.Revision()))
		return dst, status.Error(codes.Internal, "the decision could not be sent: "+err.Error())
	}

	outcome.count()
	if a.logger.Enabled(ctx, slog.LevelDebug) {
		a.logDecision(ctx, r, &decision, current.set.Revision())
	}
	a.metrics.checkDuration.Observe((time.Since(a.began) - started).Seconds())
	return answer, nil
}

// logDecision writes one line for one decision. The query of a path is left out:
// it may hold secrets.
func (a *authorization) logDecision(ctx context.Context, r *policy.Request, d *policy.Decision, revision string) {
	path, _, _ := strings.Cut(r.Path, "?")
	attrs := []slog.Attr{
		slog.String("verdict", d.Verdict.String()),
		slog.String("reason", d.Reason.String()),
		slog.String("kind", d.Kind.String()),
		slog.String("action", d.Action.String()),
		slog.String("origin", clip(r.Origin)),
		slog.String("method", clip(r.Method)),
		slog.String("host", clip(r.Host)),
		slog.String("path", clip(path)),
		slog.String("revision", revision),
	}
	if d.Policy != nil {
		attrs = append(attrs, slog.String("policy", d.Policy.Name))
	}
	if rule, ok := d.Rule(); ok {
		attrs = append(attrs, slog.String("rule", rule.Field), slog.String("position", rule.Position.String()))
	}
	a.logger.LogAttrs(ctx, slog.LevelDebug, "decision", attrs...)
}

// maxLogged is how much of what a client sent goes into a log line.
const maxLogged = 256

// clip copies what a client sent, since a call's memory is used again, and
// shortens it.
func clip(text string) string {
	if len(text) <= maxLogged {
		return strings.Clone(text)
	}
	return strings.ToValidUTF8(text[:maxLogged], "") + "…"
}
