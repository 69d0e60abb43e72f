package server

import (
	"context"
	"log/slog"
	"time"
)

// expiryCheck is the longest time between two looks at the clock. It bounds how
// late an origin ends where the clock was set, or the machine slept.
const expiryCheck = time.Minute

// expire compiles the set in force anew whenever the time of one of its
// temporary origins is over, until ctx ends. The documents need not change for
// that, so no source would say so.
func (p *Policies) expire(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.replaced: // another set, which may end sooner
		case <-timer.C:
		}
		wait := expiryCheck
		if current := p.live.Load(); current != nil && !current.set.Expires().IsZero() {
			remains := current.set.Expires().Sub(p.now())
			if remains <= 0 {
				p.renew(ctx)
			} else {
				wait = min(wait, remains)
			}
		}
		timer.Reset(wait)
	}
}

// renew compiles the documents in force for the time that it is now. What the
// last attempt to replace them found stays as it is.
func (p *Policies) renew(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, problems := p.compile(p.good)
	if set == nil {
		// The documents compiled before, and only warnings depend on the time.
		p.logger.LogAttrs(ctx, slog.LevelError, "a temporary origin is over, and the policies cannot be compiled without it",
			problemAttrs(problems)...)
		return
	}
	status := *p.status.Load()
	status.Set = set
	if !status.Stale() {
		status.Problems = problems
	}
	p.live.Store(p.prepare(set))
	p.status.Store(&status)
	p.news.raise()
	p.metrics.reloads.WithLabelValues(resultRenewed).Inc()
	p.metrics.barred.Set(float64(len(set.Barred())))
	p.logger.LogAttrs(ctx, slog.LevelInfo, "a temporary origin is over",
		append([]slog.Attr{slog.String("revision", set.Revision())}, problemAttrs(problems)...)...)
}
