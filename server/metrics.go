package server

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/corsgate/corsgate/server/policyservice"
)

// The causes of corsgate_check_errors_total.
const (
	// causeMalformed is of a CheckRequest that cannot be decided.
	causeMalformed = "malformed_request"
	// causeNotLoaded is of a request that came before any policy was loaded.
	causeNotLoaded = "not_loaded"
	// causeInternal is of a decision that could not be sent.
	causeInternal = "internal"
	// causePanic is of a defect that was caught.
	causePanic = "panic"
)

// The results of corsgate_reloads_total.
const (
	// resultLoaded is of a set that differs from the one before.
	resultLoaded = "loaded"
	// resultUnchanged is of a set with the revision of the one before.
	resultUnchanged = "unchanged"
	// resultRenewed is of a set that was compiled anew because a temporary
	// origin is over.
	resultRenewed = "renewed"
	// resultRejected is of documents with errors: the last good set stays.
	resultRejected = "rejected"
	// resultUnreadable is of documents that could not be read at all.
	resultUnreadable = "unreadable"
)

// checkBuckets are the bounds of corsgate_check_duration_seconds: a decision
// takes microseconds, and what takes a millisecond is already slow.
func checkBuckets() []float64 {
	const (
		us = 1e-6
		ms = 1e-3
	)
	return []float64{
		10 * us, 25 * us, 50 * us, 100 * us, 250 * us, 500 * us,
		1 * ms, 2.5 * ms, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms,
	}
}

// Build is what is known about this program.
type Build struct {
	// Version is the release, such as "v1.2.3", or "devel".
	Version string
	// Revision is the commit that it was built from. It may be empty.
	Revision string
}

// metrics is what the server counts. The labels come from closed lists and from
// the names of loaded policies; an origin, a host or a path is never one.
type metrics struct {
	registry *prometheus.Registry

	decisions     *prometheus.CounterVec
	checkDuration prometheus.Histogram
	checkErrors   *prometheus.CounterVec
	reloads       *prometheus.CounterVec
	reloadSuccess prometheus.Gauge
	reloadTime    prometheus.Gauge
	policies      prometheus.Gauge
	barred        prometheus.Gauge
	revisionInfo  *prometheus.GaugeVec
	storeRevision prometheus.Gauge

	// staleness and snapshotSaved are asked for when the metrics are read. Until
	// the server sets them, they are zero.
	staleness     func() time.Duration
	snapshotSaved func() time.Time

	serviceRequests *prometheus.CounterVec
}

func newBuildInfo(build Build) prometheus.Gauge {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "corsgate_build_info",
		Help: "1, labelled with what this program was built from.",
		ConstLabels: prometheus.Labels{
			"version":   build.Version,
			"revision":  build.Revision,
			"goversion": runtime.Version(),
		},
	})
	info.Set(1)
	return info
}

func newServiceRequests() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "corsgate_policy_service_requests_total",
		Help: "Requests of the policy service that were answered, by method and gRPC code.",
	}, []string{"method", "code"})
}

// newMetrics registers everything on a registry of its own, so that two servers
// in one process do not meet.
func newMetrics(build Build) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "corsgate_decisions_total",
			Help: "Decisions, by the policy that governed (empty where none did), verdict, reason and kind of request.",
		}, []string{"policy", "verdict", "reason", "kind"}),
		checkDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "corsgate_check_duration_seconds",
			Help:    "How long a Check took inside corsgate, from the decoded request to the response before it is encoded.",
			Buckets: checkBuckets(),
		}),
		checkErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "corsgate_check_errors_total",
			Help: "Checks that were answered with a gRPC error, by cause.",
		}, []string{"cause"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "corsgate_reloads_total",
			Help: "Attempts to load policies, the first included, by result.",
		}, []string{"result"}),
		reloadSuccess: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "corsgate_last_reload_success",
			Help: "1 if the last attempt to load policies succeeded, 0 if the set before it is still in force.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "corsgate_last_reload_timestamp_seconds",
			Help: "When policies were last loaded with success, in seconds since 1970.",
		}),
		policies: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "corsgate_policies",
			Help: "Policies in force.",
		}),
		barred: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "corsgate_barred_policies",
			Help: "Policies that do what a guardrail forbids, and let nobody in for it.",
		}),
		revisionInfo: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "corsgate_revision_info",
			Help: "1, labelled with the revision of the policy set in force.",
		}, []string{"revision"}),
		storeRevision: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "corsgate_store_revision",
			Help: "The source's own number of the last change in force; 0 where the source does not count its changes.",
		}),
		staleness:       func() time.Duration { return 0 },
		snapshotSaved:   func() time.Time { return time.Time{} },
		serviceRequests: newServiceRequests(),
	}
	staleness := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "corsgate_source_staleness_seconds",
		Help: "For how long it is not known whether the source holds something newer; 0 where it is always known, as of files.",
	}, func() float64 { return m.staleness().Seconds() })
	snapshotSaved := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "corsgate_snapshot_saved_timestamp_seconds",
		Help: "When the last good policies were saved to the snapshot file, in seconds since 1970; 0 where they never were.",
	}, func() float64 { return unixSeconds(m.snapshotSaved()) })
	m.registry.MustRegister(
		m.decisions, m.checkDuration, m.checkErrors, m.reloads, m.reloadSuccess, m.reloadTime,
		m.policies, m.barred, m.revisionInfo, m.storeRevision, staleness, snapshotSaved, m.serviceRequests, newBuildInfo(build),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.preset()
	return m
}

// preset makes the counters' series: one that is absent until its first event cannot
// be alerted on.
func (m *metrics) preset() {
	for _, cause := range []string{causeMalformed, causeNotLoaded, causeInternal, causePanic} {
		m.checkErrors.WithLabelValues(cause)
	}
	for _, result := range []string{resultLoaded, resultUnchanged, resultRenewed, resultRejected, resultUnreadable} {
		m.reloads.WithLabelValues(result)
	}
	for _, method := range policyservice.Methods() {
		m.serviceRequests.WithLabelValues(method, "ok")
	}
}

// unixSeconds returns a time as Prometheus has it, and zero for one that never was.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / float64(time.Second/time.Millisecond)
}
