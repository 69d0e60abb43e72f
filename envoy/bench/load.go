package main

import (
	"context"
	"fmt"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/load"
	"github.com/corsgate/corsgate/envoy/bench/machine"
)

// warmup goes before each measurement: connections are made, tables learned.
const warmup = 300 * time.Millisecond

// mostRequests bounds any one load, whatever a server does with it.
const mostRequests = 5_000_000

// put puts load on a server and accounts for the CPU that it and others use.
// The first process is the one that a metric of its own is kept for, if that is
// named.
func (b *bench) put(ctx context.Context, opts load.Options, first string, processes ...*process) (sample, error) {
	before, after := make([]time.Duration, len(processes)), make([]time.Duration, len(processes))
	read := func(into []time.Duration) func() error {
		return func() error {
			for i, p := range processes {
				cpu, err := machine.ProcessCPU(p.pid())
				if err != nil {
					return fmt.Errorf("account for %s: %w", p.name, err)
				}
				into[i] = cpu
			}
			return nil
		}
	}
	opts.Begin, opts.End = read(before), read(after)
	opts.Warmup, opts.Duration, opts.MaxRequests = warmup, b.span(opts.Duration), mostRequests
	result, err := load.Run(ctx, opts)
	if err != nil {
		return nil, err
	}
	if result.Answers == 0 || result.Latencies.Count() == 0 {
		return nil, fmt.Errorf("%s answered nothing in %s", opts.Address, result.Elapsed)
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(result.Answers) }
	s := sample{
		metricRate:      result.Rate(),
		metricP50:       float64(result.Latencies.Quantile(0.50).Nanoseconds()) / 1e3,
		metricP99:       float64(result.Latencies.Quantile(0.99).Nanoseconds()) / 1e3,
		metricClientCPU: each(result.CPU),
	}
	for i := range processes {
		s[metricCPU] += each(after[i] - before[i])
	}
	if first != "" {
		s[first] = each(after[0] - before[0])
	}
	return s, nil
}
