package kubernetes

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/protobuf/proto"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

// LeaseName is the name of the lease by which replicas agree on who writes.
const LeaseName = "corsgate-status"

// fieldManager is who owns the status, for Kubernetes.
const fieldManager = "corsgate"

// How replicas agree on who writes, and how often what could not be written is
// tried again.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	writeRetry    = 10 * time.Second
	// writeLimit bounds how long one object may take.
	writeLimit = 10 * time.Second
)

// StatusOptions is how to write what is in force.
type StatusOptions struct {
	// Namespace is where the lease lies. Empty, it is that of this pod, or else
	// "default".
	Namespace string
	// Identity is what this replica is called. It need not be unique.
	Identity string
	// Now is the time; nil is the clock.
	Now func() time.Time
}

// A StatusWriter says on each object of a cluster whether what it says is in force.
// Of the replicas that run one, one writes.
type StatusWriter struct {
	source   *Source
	leases   coordinationv1.LeasesGetter
	options  StatusOptions
	news     chan struct{}
	mu       sync.Mutex
	latest   *report
	accepted map[string]proto.Message
}

// A report is what a server said of a snapshot.
type report struct {
	// documents are those of the snapshot by their file.
	documents map[string]proto.Message
	// inForce are those of the snapshot that came into force last.
	inForce map[string]proto.Message
	// problems are those of each file, errors are those of all.
	problems map[string]policy.Problems
	errors   policy.Problems
	// set is what the snapshot was compiled into, nil where it was rejected.
	set *policy.Set
}

// NewStatusWriter returns a writer for the objects that a source reads.
func NewStatusWriter(of *Source, options StatusOptions) (*StatusWriter, error) {
	// Two that took each other for one would both write.
	options.Identity += "_" + rand.Text()
	leases, err := coordinationv1.NewForConfigAndClient(of.config, of.transport)
	if err != nil {
		return nil, fmt.Errorf("make a client for leases: %w", err)
	}
	if options.Namespace == "" {
		options.Namespace = ownNamespace()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &StatusWriter{source: of, leases: leases, options: options, news: make(chan struct{}, 1)}, nil
}

// Report takes what became of a snapshot that the source delivered, alone or among
// others: the problems that reading and compiling found, and the set that came into
// force, nil where the snapshot was rejected. It does not wait for anything to be
// written.
func (w *StatusWriter) Report(snapshot source.Snapshot, problems policy.Problems, set *policy.Set) {
	r := &report{
		documents: make(map[string]proto.Message, len(snapshot.Documents)),
		problems:  map[string]policy.Problems{},
		errors:    problems.Errors(),
		set:       set,
	}
	for i := range snapshot.Documents {
		r.documents[snapshot.Documents[i].File] = snapshot.Documents[i].Message
	}
	for _, p := range problems {
		r.problems[p.Position.File] = append(r.problems[p.Position.File], p)
	}
	w.mu.Lock()
	if set != nil {
		w.accepted = r.documents
	}
	r.inForce, w.latest = w.accepted, r
	w.mu.Unlock()
	wake(w.news)
}

// Run takes part in choosing who writes, and writes where it is this one, until ctx
// ends. Then it returns nil. What cannot be written is logged and tried again.
func (w *StatusWriter) Run(ctx context.Context) error {
	quietly := klog.NewContext(ctx, logr.Discard())
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(w.election())
		if err != nil {
			return fmt.Errorf("choose who writes the status of policies: %w", err)
		}
		elector.Run(quietly) // it returns when another was chosen, too
	}
	return nil
}

func (w *StatusWriter) election() leaderelection.LeaderElectionConfig {
	var writing sync.WaitGroup
	return leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: w.options.Namespace, Name: LeaseName},
			Client:     w.leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: w.options.Identity},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true, Name: LeaseName,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { writing.Go(func() { w.write(ctx) }) },
			OnStoppedLeading: writing.Wait,
		},
	}
}

// write writes what should be said, whenever that changes, until ctx ends.
func (w *StatusWriter) write(ctx context.Context) {
	w.source.logger.LogAttrs(ctx, slog.LevelInfo, "this replica writes the status of policies", slog.String("replica", w.options.Identity))
	said := map[string]statement{} // by identity
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		case <-w.source.moved:
		case <-retry.C:
		}
		if !w.writeAll(ctx, said) {
			retry.Reset(writeRetry)
		}
	}
}

// writeAll writes what should be said of each object and is not, and reports
// whether all of it was.
func (w *StatusWriter) writeAll(ctx context.Context, said map[string]statement) bool {
	w.mu.Lock()
	r := w.latest
	w.mu.Unlock()
	held := w.source.lastHeld()
	if r == nil || held == nil {
		return true
	}
	complete := true
	for _, e := range held.entries {
		want, ok := r.judge(e)
		if !ok || want == e.status || said[e.uid].covers(e, &want) {
			continue
		}
		written, err := w.writeOne(ctx, r, e, &want)
		switch {
		case ctx.Err() != nil:
			return true
		case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err):
			said[e.uid] = statement{want, written} // or the object is not what it was
		default:
			complete = false
			w.source.logger.LogAttrs(ctx, slog.LevelWarn, "the status of a policy cannot be written",
				slog.String("object", e.file), slog.String("error", err.Error()))
		}
	}
	return complete
}

// writeOne writes the status of one object. It owns all of it, and takes it over
// from whoever wrote it.
func (w *StatusWriter) writeOne(ctx context.Context, r *report, e *entry, want *status) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	set := ""
	if r.set != nil && want.accepted == "True" {
		set = r.set.Revision()
	}
	object, err := w.source.at(place{resource: e.resource, namespace: e.namespace}).
		ApplyStatus(ctx, e.name, want.object(e, set, w.options.Now()), metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return e.revision + 1, err //nolint:wrapcheck // the caller says what was written
	}
	return revisionOf(object.GetResourceVersion()), nil
}

// A statement is a status that was written, and the number of that change.
type statement struct {
	status   status
	revision int64
}

// covers reports whether the statement is what is wanted, and was made after the object
// was read.
func (s statement) covers(e *entry, want *status) bool {
	return s.status == *want && e.revision < s.revision
}
