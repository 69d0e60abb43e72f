package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

// live is a set that is in force, with what was prepared for its answers. It is
// immutable, but for what is prepared when it is first needed.
type live struct {
	set *policy.Set
	// counters and outcomes are by the indexes of policies. Behind those of the
	// policies stand those of decisions that no policy made.
	counters []*policyCounters
	outcomes []outcomes
	prepared *preparedAnswers
}

// outcome returns what is kept for decisions like one that the set made.
func (l *live) outcome(d *policy.Decision) *outcome {
	i := len(l.outcomes) - 1
	if d.Policy != nil {
		i = d.Policy.Index()
	}
	return l.outcomes[i].of(d, l.counters[i], l.set.Revision())
}

// Status is how loading stands: what is in force, and how the last attempt to
// replace it went.
type Status struct {
	// Set is in force. It is nil until policies have been loaded once.
	Set *policy.Set
	// Documents are what Set was compiled from.
	Documents []policy.Document
	// LoadedAt is when Set came into force.
	LoadedAt time.Time
	// Files counts the files or keys that Set was read from.
	Files int
	// AttemptedAt is when loading was last tried.
	AttemptedAt time.Time
	// Problems is what the last attempt found: with an error among them, Set is
	// older than the attempt; warnings did not keep it from coming into force.
	Problems policy.Problems
	// Failure says why the last attempt could not read anything. It is nil if it
	// could.
	Failure error
	// StoreRevision is the source's own number of the last change that is in Set,
	// zero where it has none, and StoreSince when that came into force.
	StoreRevision int64
	StoreSince    time.Time
	// AsOf, unless zero, says that Set comes from a snapshot, and when that was in
	// step with the source.
	AsOf time.Time
}

// Stale says whether the last attempt failed, so that what is in force is not
// what the source holds.
func (s *Status) Stale() bool {
	return s.Failure != nil || len(s.Problems.Errors()) > 0
}

// Policies holds the set that is in force. Reading it takes no lock; a new set
// replaces the old one whole, in one store, or not at all.
type Policies struct {
	options policy.Options
	metrics *metrics
	logger  *slog.Logger
	now     func() time.Time

	live   atomic.Pointer[live]
	status atomic.Pointer[Status]

	// replaced tells expire of a new set.
	replaced chan struct{}
	// news tells announce of anything that the status says anew.
	news signal
	// mayBeEmpty says that a set without a policy is no mistake.
	mayBeEmpty bool

	mu sync.Mutex // serialises Load, Fail and renew
	// good is what the set in force was compiled from.
	good source.Snapshot
	// byName are the counters in use; a policy keeps its own across sets.
	byName     map[string]*policyCounters
	tidier     tidier
	ungoverned *policyCounters
}

func newPolicies(options policy.Options, m *metrics, logger *slog.Logger, now func() time.Time) *Policies {
	p := &Policies{
		options:    options,
		metrics:    m,
		logger:     logger,
		now:        now,
		replaced:   make(chan struct{}, 1),
		news:       newSignal(),
		byName:     map[string]*policyCounters{},
		ungoverned: newPolicyCounters(m.decisions, ""),
	}
	p.status.Store(&Status{})
	return p
}

// Status returns how loading stands. The caller must not change what it holds.
func (p *Policies) Status() *Status { return p.status.Load() }

// Load compiles what a source holds and puts it in force. If anything in it is
// an error, the set before stays, and the problems are in the status and in the
// log. It reports whether the new set is in force.
func (p *Policies) Load(ctx context.Context, snapshot source.Snapshot) bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	set, problems := p.settle(&snapshot)
	attempted := p.now()
	if len(problems.Errors()) > 0 {
		status := *p.status.Load()
		status.AttemptedAt, status.Problems, status.Failure = attempted, problems, nil
		p.reject(ctx, &status, resultRejected)
		return false
	}

	p.enforce(ctx, snapshot, set, &Status{AttemptedAt: attempted, Problems: problems})
	p.metrics.reloadSuccess.Set(1)
	return true
}

// Restore puts a snapshot in force that was good before, at a start where the
// source holds nothing good. How the attempt went that it stands in for stays in the
// status. It returns what keeps the snapshot from being used.
func (p *Policies) Restore(ctx context.Context, snapshot source.Snapshot) policy.Problems {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, problems := p.compile(snapshot)
	if set == nil {
		return problems.Errors()
	}
	status := *p.status.Load()
	p.logger.LogAttrs(ctx, slog.LevelError, "the source's policies cannot be used; its last good snapshot stands in",
		append([]slog.Attr{slog.Time("as_of", snapshot.AsOf)}, problemAttrs(status.Problems)...)...)
	p.enforce(ctx, snapshot, set, &status)
	return nil
}

// enforce puts a set in force. The status says how loading stands besides.
func (p *Policies) enforce(ctx context.Context, snapshot source.Snapshot, set *policy.Set, status *Status) {
	previous := p.live.Load()
	status.Set, status.LoadedAt = set, p.now()
	status.Documents, status.Files = snapshot.Documents, snapshot.Files
	status.StoreSince = p.since(snapshot.Revision, status.LoadedAt)
	status.StoreRevision, status.AsOf = snapshot.Revision, snapshot.AsOf
	p.live.Store(p.prepare(set))
	p.status.Store(status)
	p.news.raise()
	p.good = snapshot
	select {
	case p.replaced <- struct{}{}:
	default: // it is told already
	}
	p.retireAbsent(set)
	p.metrics.storeRevision.Set(float64(snapshot.Revision))
	p.report(ctx, previous, status)
	if previous == nil {
		p.tidier.first()
	} else {
		p.tidier.replaced()
	}
}

// since is when a revision of the store came into force that is in force now.
func (p *Policies) since(revision int64, now time.Time) time.Time {
	switch before := p.status.Load(); {
	case before.StoreRevision == revision:
		return before.StoreSince
	case revision == 0:
		return time.Time{}
	default:
		return now
	}
}

// compile compiles a snapshot for the time that it is now. A policy that does what a
// guardrail forbids is barred, and does not keep the others from serving.
func (p *Policies) compile(snapshot source.Snapshot) (*policy.Set, policy.Problems) {
	if p.mayBeEmpty {
		return CompilePart(snapshot, p.compileOptions())
	}
	return CompileSnapshot(snapshot, p.compileOptions())
}

// compileOptions is how to compile what may come into force now.
func (p *Policies) compileOptions() policy.Options {
	options := p.options
	options.Now, options.Breaches = p.now(), policy.BreachesBarred
	if current := p.live.Load(); current != nil {
		options.Previous = current.set
	}
	return options
}

// Fail records that a source could not be read. The set in force stays.
func (p *Policies) Fail(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := *p.status.Load()
	status.AttemptedAt, status.Problems, status.Failure = p.now(), nil, err
	p.reject(ctx, &status, resultUnreadable)
}

// CompileSnapshot compiles what a source holds. Problems of reading and of
// compiling are reported together, ordered by position; with an error among
// them the set is nil. A snapshot without a single policy is an error: an
// emptied folder is far more often a mistake than a wish to refuse everything.
func CompileSnapshot(snapshot source.Snapshot, options policy.Options) (*policy.Set, policy.Problems) {
	set, problems := CompilePart(snapshot, options)
	if set != nil && len(set.Policies()) == 0 {
		return nil, append(problems, policy.Problem{
			Code:   "no_policies",
			Reason: "there is no CorsPolicy in what was loaded",
			Mend:   "write one, or name another file or folder",
		})
	}
	return set, problems
}

// CompilePart is CompileSnapshot of what need not hold a policy, because other
// sources may: guardrails that are kept apart, for one.
func CompilePart(snapshot source.Snapshot, options policy.Options) (*policy.Set, policy.Problems) {
	set, problems := policy.Compile(snapshot.Documents, options)
	problems = slices.Concat(snapshot.Problems, problems)
	problems.Sort()
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	return set, problems
}

// prepare finds or makes the counters of each policy of a set.
func (p *Policies) prepare(set *policy.Set) *live {
	policies, last := set.Policies(), set.Indexes()
	next := &live{
		set:      set,
		counters: make([]*policyCounters, last+1),
		outcomes: make([]outcomes, last+1),
		prepared: newPreparedAnswers(set),
	}
	before := p.live.Load()
	for _, one := range policies {
		next.counters[one.Index()] = p.countersOf(one, before)
	}
	next.counters[last] = p.ungoverned
	return next
}

// countersOf finds or makes the counters of a policy. Most have an index that they
// had before.
func (p *Policies) countersOf(one *policy.Policy, before *live) *policyCounters {
	if i := one.Index(); before != nil && i < len(before.counters)-1 && before.counters[i] != nil && before.counters[i].name == one.Name {
		return before.counters[i]
	}
	counters, ok := p.byName[one.Name]
	if !ok {
		counters = newPolicyCounters(p.metrics.decisions, one.Name)
		p.byName[one.Name] = counters
	}
	return counters
}

// retireAbsent drops the series of policies that a set no longer has.
func (p *Policies) retireAbsent(set *policy.Set) {
	if len(p.byName) == len(set.Policies()) {
		return // each of the set's has counters
	}
	present := make(map[string]struct{}, len(set.Policies()))
	for _, one := range set.Policies() {
		present[one.Name] = struct{}{}
	}
	for name, counters := range p.byName {
		if _, ok := present[name]; !ok {
			counters.retire()
			delete(p.byName, name)
		}
	}
}

// reject keeps the set in force and says why.
func (p *Policies) reject(ctx context.Context, status *Status, result string) {
	p.status.Store(status)
	p.news.raise()
	p.metrics.reloads.WithLabelValues(result).Inc()
	p.metrics.reloadSuccess.Set(0)
	if status.Set == nil {
		return // nothing was ever in force: Run returns why, and ends
	}
	attrs := []slog.Attr{slog.String("result", result), slog.String("revision", status.Set.Revision())}
	if status.Failure != nil {
		attrs = append(attrs, slog.String("error", status.Failure.Error()))
	}
	attrs = append(attrs, problemAttrs(status.Problems)...)
	p.logger.LogAttrs(ctx, slog.LevelError, "policies could not be loaded; the last good set stays in force", attrs...)
}

// report says that a set is in force.
func (p *Policies) report(ctx context.Context, previous *live, status *Status) {
	m, set := p.metrics, status.Set
	result, old := resultLoaded, ""
	if previous != nil {
		old = previous.set.Revision()
		if old == set.Revision() {
			result = resultUnchanged
		}
	}
	m.reloads.WithLabelValues(result).Inc()
	m.reloadTime.Set(unixSeconds(p.now()))
	m.policies.Set(float64(len(set.Policies())))
	barred := len(set.Barred())
	m.barred.Set(float64(barred))
	m.revisionInfo.Reset()
	m.revisionInfo.WithLabelValues(set.Revision()).Set(1)

	level := slog.LevelInfo
	if len(status.Problems) > 0 {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("result", result),
		slog.String("revision", set.Revision()),
		slog.String("previous_revision", old),
		slog.Int("policies", len(set.Policies())),
		slog.Int("barred", barred),
	}
	if status.StoreRevision != 0 {
		attrs = append(attrs, slog.Int64("store_revision", status.StoreRevision))
	}
	if !status.AsOf.IsZero() {
		attrs = append(attrs, slog.Time("as_of", status.AsOf))
	}
	p.logger.LogAttrs(ctx, level, "policies loaded", append(attrs, problemAttrs(status.Problems)...)...)
}

// maxLoggedProblems keeps a log line readable where a whole folder is broken.
// All problems stand in /policies.
const maxLoggedProblems = 20

// problemAttrs returns the problems as attributes of one log line.
func problemAttrs(problems policy.Problems) []slog.Attr {
	if len(problems) == 0 {
		return nil
	}
	shown := problems[:min(len(problems), maxLoggedProblems)]
	lines := make([]string, len(shown))
	for i := range shown {
		lines[i] = shown[i].Error()
	}
	return []slog.Attr{
		slog.Int("errors", len(problems.Errors())),
		slog.Int("warnings", len(problems.Warnings())),
		slog.Any("problems", lines),
	}
}
