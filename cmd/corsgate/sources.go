package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server"
)

// sources is where policies come from, and what has to run beside it.
type sources struct {
	source.Source

	// replicaID is what this replica is called, wherever it has to be told from others.
	replicaID string
	// etcd keeps policies that the policy service may change. It is nil where none is
	// named.
	etcd *etcd.Store
	// cluster is the Kubernetes cluster among them, or nil.
	cluster *kubernetes.Source

	// loaded are told what became of each snapshot.
	loaded []func(source.Snapshot, policy.Problems, *policy.Set)
	// units run as long as the server does.
	units []func(context.Context) error
	// closers end what was opened.
	closers []func() error
}

// open opens the sources that the settings name. Files win over etcd, and etcd wins
// over Kubernetes: what is nearest to this machine counts first.
func (s *serveSettings) open(logger *slog.Logger) (*sources, error) {
	opened := &sources{replicaID: cmp.Or(s.replicaID.value, server.NewReplicaID())}
	var parts []source.Source
	if len(s.policies.values) > 0 {
		parts = append(parts, source.NewFile(s.policies.values, source.FileOptions{Resync: s.resync.value, Logger: logger}))
	}
	if len(s.etcd.endpoints.values) > 0 {
		if err := opened.openEtcd(&s.etcd, logger); err != nil {
			return nil, err
		}
		parts = append(parts, opened.etcd)
	}
	if s.cluster.use.value {
		cluster, err := opened.openCluster(&s.cluster, logger)
		if err != nil {
			return nil, errors.Join(err, opened.close())
		}
		parts = append(parts, cluster)
	}
	opened.Source = source.Join(parts...)
	if s.snapshot.value != "" {
		kept, err := source.Keep(opened.Source, s.snapshot.value, source.KeepOptions{Logger: logger})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w (--snapshot)", err), opened.close())
		}
		opened.Source = kept
	}
	return opened, nil
}

func (o *sources) openEtcd(e *etcdSettings, logger *slog.Logger) error {
	opened, err := etcd.New(etcd.Options{
		Endpoints: e.endpoints.values, Prefix: e.prefix.value,
		User: e.user.value, PasswordFile: e.passwordFile.value,
		CAFile: e.ca.value, CertFile: e.cert.value, KeyFile: e.key.value,
		Logger: logger,
	})
	if err != nil {
		return fmt.Errorf("opening etcd: %w", err)
	}
	o.etcd = opened
	o.closers = append(o.closers, opened.Close)
	return nil
}

// openCluster opens the cluster, and has its objects say whether they are in force.
func (o *sources) openCluster(c *clusterSettings, logger *slog.Logger) (source.Source, error) {
	cluster, err := kubernetes.New(kubernetes.Options{Kubeconfig: c.kubeconfig.value, Namespaces: c.namespaces.values, Logger: logger})
	if err != nil {
		return nil, err
	}
	o.cluster = cluster
	o.closers = append(o.closers, func() error {
		cluster.Close()
		return nil
	})
	writer, err := kubernetes.NewStatusWriter(cluster, kubernetes.StatusOptions{Identity: o.replicaID})
	if err != nil {
		return nil, err
	}
	o.loaded = append(o.loaded, writer.Report)
	o.units = append(o.units, writer.Run)
	return cluster, nil
}

// report tells all who want to know what became of a snapshot.
func (o *sources) report(snapshot source.Snapshot, problems policy.Problems, set *policy.Set) {
	for _, tell := range o.loaded {
		tell(snapshot, problems, set)
	}
}

// run runs the units until ctx ends. What they do is not worth stopping for.
func (o *sources) run(ctx context.Context, logger *slog.Logger) {
	var running sync.WaitGroup
	for _, unit := range o.units {
		running.Go(func() {
			if err := unit(ctx); err != nil {
				logger.LogAttrs(ctx, slog.LevelError, "what goes with a source has ended", slog.String("error", err.Error()))
			}
		})
	}
	running.Wait()
}

func (o *sources) close() error {
	var errs []error
	for _, closer := range o.closers {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}
