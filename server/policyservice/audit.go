package policyservice

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// What can become of an attempt to change something.
const (
	outcomeApplied   = "applied"
	outcomeUnchanged = "unchanged"
	outcomeDryRun    = "dry_run"
	outcomeRefused   = "refused"
	outcomeInvalid   = "invalid"
	outcomeConflict  = "conflict"
	outcomeFailed    = "failed"
)

// maxAudited is how many documents one audit record names, and maxAuditedText how
// much of each text is kept that the caller chose, in bytes: whoever may write must not
// fill the log by that.
const (
	maxAudited     = 50
	maxAuditedText = 1 << 10
)

// An audit is the record of one attempt to change something.
type audit struct {
	method, who, peer, why string
	what                   []string
	revision               int64
	outcome, code          string
	findings               int
	problem                string
}

// record writes an audit record.
func (s *Service) record(ctx context.Context, a *audit) {
	level := slog.LevelInfo
	if a.outcome == outcomeRefused || a.outcome == outcomeFailed {
		level = slog.LevelWarn
	}
	what := make([]string, 0, min(len(a.what), maxAudited+1))
	for i, line := range a.what {
		if i == maxAudited {
			what = append(what, fmt.Sprintf("and %d more", len(a.what)-maxAudited))
			break
		}
		what = append(what, clip(line))
	}
	problem, _, _ := strings.Cut(a.problem, "\n")
	s.logger.LogAttrs(context.WithoutCancel(ctx), level, "policy change", slog.Group("audit",
		slog.String("method", a.method), slog.String("who", a.who), slog.String("peer", a.peer),
		slog.Any("what", what), slog.String("why", clip(a.why)), slog.Int64("revision", a.revision),
		slog.String("outcome", a.outcome), slog.String("code", a.code), slog.Int("findings", a.findings),
		slog.String("error", clip(problem))))
}

// clip returns the beginning of a text that is too long for an audit record.
func clip(text string) string {
	if len(text) <= maxAuditedText {
		return text
	}
	return strings.ToValidUTF8(text[:maxAuditedText], "") + "…"
}

// asked says what a request names, a line each.
func asked(m *corsgatev1.ApplyRequest) []string {
	var out []string
	for i, file := range m.GetFiles() {
		out = append(out, "keep "+fileName(i, file))
	}
	for _, ref := range m.GetDelete() {
		out = append(out, "delete "+keyOf(ref).String())
	}
	for _, edit := range m.GetOriginEdits() {
		out = append(out, "edit "+store.Key{Kind: kindOriginSet, Namespace: edit.GetNamespace(), Name: edit.GetName()}.String())
	}
	return out
}

// describe says what became of documents, a line each.
func describe(changes []*corsgatev1.DocumentChange) []string {
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = strings.ToLower(strings.TrimPrefix(c.GetChange().String(), "CHANGE_KIND_")) + " " + keyOf(c.GetRef()).String()
	}
	return out
}
