package server

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/corsgate/corsgate/policy"
)

// How many verdicts, reasons and kinds there are. The tests hold these against
// the words that package policy has for them.
const (
	verdicts = int(policy.VerdictPass) + 1
	reasons  = int(policy.ReasonDisabled) + 1
	kinds    = int(policy.KindWebSocket) + 1
)

// policyCounters counts the decisions of one policy, in an array: a label lookup
// for each request would cost more than the decision. A counter is made when it
// is first needed, so that a policy has the few series that mean something and
// not all that could be.
type policyCounters struct {
	name string
	vec  *prometheus.CounterVec

	counters [verdicts][reasons][kinds]atomic.Pointer[prometheus.Counter]

	mu      sync.Mutex // held while a counter is made, and by retire
	retired bool
}

func newPolicyCounters(vec *prometheus.CounterVec, name string) *policyCounters {
	return &policyCounters{name: name, vec: vec}
}

// count adds one decision.
func (c *policyCounters) count(d *policy.Decision) {
	slot := &c.counters[d.Verdict][d.Reason][d.Kind]
	counter := slot.Load()
	if counter == nil {
		counter = c.create(slot, d)
		if counter == nil {
			return
		}
	}
	(*counter).Inc()
}

// create makes the counter of one slot, unless the policy is gone: a request
// that began under the old set must not bring its series back.
func (c *policyCounters) create(slot *atomic.Pointer[prometheus.Counter], d *policy.Decision) *prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired {
		return nil
	}
	counter := c.vec.WithLabelValues(c.name, d.Verdict.String(), d.Reason.String(), d.Kind.String())
	slot.Store(&counter)
	return &counter
}

// retire drops the policy's series.
func (c *policyCounters) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	c.vec.DeletePartialMatch(prometheus.Labels{"policy": c.name})
}
