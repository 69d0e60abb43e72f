package server

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/corsgate/corsgate/policy"
)

// policyCounters counts the decisions of one policy. A counter is made when it
// is first needed, so that a policy has the few series that mean something and
// not all that could be.
type policyCounters struct {
	name string
	vec  *prometheus.CounterVec

	mu      sync.Mutex // held while a counter is made, and by retire
	retired bool
}

func newPolicyCounters(vec *prometheus.CounterVec, name string) *policyCounters {
	return &policyCounters{name: name, vec: vec}
}

// counter returns the counter for decisions like d, or nil if the policy is gone:
// a request that began under the old set must not bring its series back.
func (c *policyCounters) counter(d *policy.Decision) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired {
		return nil
	}
	return c.vec.WithLabelValues(c.name, d.Verdict.String(), d.Reason.String(), d.Kind.String())
}

// retire drops the policy's series.
func (c *policyCounters) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	c.vec.DeletePartialMatch(prometheus.Labels{"policy": c.name})
}

// An outcome is what decisions of one policy have in common that came out alike.
type outcome struct {
	// key is how they came out.
	key outcomeKey
	// counter counts them. It is nil if the policy was gone before the first.
	counter prometheus.Counter
	// metadata is what their metadata begins with.
	metadata []byte
}

// count adds one decision.
func (o *outcome) count() {
	if o.counter != nil {
		o.counter.Inc()
	}
}

// outcomeKey is a verdict, a reason, a kind and an action.
type outcomeKey uint32

func keyOf(d *policy.Decision) outcomeKey {
	const bits = 8
	return outcomeKey(d.Verdict) | outcomeKey(d.Reason)<<bits | outcomeKey(d.Kind)<<(2*bits) | outcomeKey(d.Action)<<(3*bits)
}

// outcomes are those that one policy of one set had so far. They are few, so that
// looking through them costs less than a label lookup for each request would,
// and a set of many policies costs next to nothing until they decide.
type outcomes struct {
	list atomic.Pointer[[]*outcome]
}

// of returns the outcome of a decision.
func (o *outcomes) of(d *policy.Decision, counters *policyCounters, revision string) *outcome {
	key := keyOf(d)
	var seen []*outcome
	for {
		list := o.list.Load()
		if list != nil {
			seen = *list
		}
		for _, one := range seen {
			if one.key == key {
				return one
			}
		}
		fresh := &outcome{key: key, counter: counters.counter(d), metadata: metadataLead(d, revision)}
		longer := append(slices.Clip(seen), fresh)
		if o.list.CompareAndSwap(list, &longer) {
			return fresh
		}
	}
}
