package server

import (
	"context"
	"log/slog"
	"strings"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
)

// authorization answers envoy.service.auth.v3.Authorization.
type authorization struct {
	authv3.UnimplementedAuthorizationServer

	policies *Policies
	metrics  *metrics
	logger   *slog.Logger
}

var _ authv3.AuthorizationServer = (*authorization)(nil)

// Check decides one request. What cannot be decided is a gRPC error and never a
// response: Envoy counts it as an error of ours and applies failure_mode_allow.
func (a *authorization) Check(ctx context.Context, check *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	started := time.Now()
	current := a.policies.live.Load()
	if current == nil {
		a.metrics.checkErrors.WithLabelValues(causeNotLoaded).Inc()
		return nil, status.Error(codes.Unavailable, "no policies are loaded yet")
	}

	var request policy.Request
	if err := readRequest(check, &request); err != nil {
		a.metrics.checkErrors.WithLabelValues(causeMalformed).Inc()
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	decision := current.set.Decide(&request)
	response, err := writeResponse(&decision, current.set.Revision())
	if err == nil && !complete(response) {
		err = errIncomplete
	}
	if err != nil {
		a.metrics.checkErrors.WithLabelValues(causeInternal).Inc()
		a.logger.LogAttrs(ctx, slog.LevelError, "a decision could not be sent",
			slog.String("error", err.Error()), slog.String("revision", current.set.Revision()))
		return nil, status.Error(codes.Internal, "the decision could not be sent: "+err.Error())
	}

	current.count(&decision)
	a.metrics.checkDuration.Observe(time.Since(started).Seconds())
	if a.logger.Enabled(ctx, slog.LevelDebug) {
		a.logDecision(ctx, &request, &decision, current.set.Revision())
	}
	return response, nil
}

// logDecision writes one line for one decision. The query of a path is left out:
// it may hold secrets.
func (a *authorization) logDecision(ctx context.Context, r *policy.Request, d *policy.Decision, revision string) {
	path, _, _ := strings.Cut(r.Path, "?")
	attrs := []slog.Attr{
		slog.String("verdict", d.Verdict.String()),
		slog.String("reason", d.Reason.String()),
		slog.String("kind", d.Kind.String()),
		slog.String("action", actionWord(d.Action)),
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

// clip shortens what a client sent.
func clip(text string) string {
	if len(text) <= maxLogged {
		return text
	}
	return strings.ToValidUTF8(text[:maxLogged], "") + "…"
}
