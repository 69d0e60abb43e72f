//go:build unix

package server

import (
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// measure runs one operation again and again, and reports beside the time that
// passed what the processor spent, which is what counts on a machine that others
// use too.
func measure(b *testing.B, operation func(i int)) {
	b.Helper()
	b.ReportAllocs()
	before := processorTime(b)
	i := 0
	for b.Loop() {
		operation(i)
		i++
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(i), "cpu-ns/op")
}

func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkCheckOnWire measures a Check without the transport: from the bytes of
// the request to those of the answer, with its metrics.
func BenchmarkCheckOnWire(b *testing.B) {
	a := newAuthorization(loadPolicy())
	inputs, handle := loadBuffers(b), onWire(b, a)
	size := 0
	for _, input := range inputs {
		handle(input)
		size += input.Len()
	}
	b.ReportMetric(float64(size)/float64(len(inputs)), "bytes/request")
	measure(b, func(i int) {
		handle(inputs[i%len(inputs)])
	})
}

// BenchmarkReadWire measures taking the request from the wire alone.
func BenchmarkReadWire(b *testing.B) {
	inputs := loadChecks(b)
	measure(b, func(i int) {
		var r policy.Request
		if err := readWire(inputs[i%len(inputs)], &r); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkReadPlain measures the same through protobuf's messages.
func BenchmarkReadPlain(b *testing.B) {
	inputs := loadChecks(b)
	measure(b, func(i int) {
		var r policy.Request
		request := &authv3.CheckRequest{}
		if err := proto.Unmarshal(inputs[i%len(inputs)], request); err != nil {
			b.Fatal(err)
		}
		if err := readRequest(request, &r); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkWriteWire measures writing the answer alone.
func BenchmarkWriteWire(b *testing.B) {
	a := newAuthorization(loadPolicy())
	current := a.policies.live.Load()
	decisions := make([]policy.Decision, 0, loadRequests)
	for _, input := range loadChecks(b) {
		var r policy.Request
		if err := readWire(input, &r); err != nil {
			b.Fatal(err)
		}
		decisions = append(decisions, current.set.Decide(&r))
	}
	dst := make([]byte, 0, newOutputBytes)
	measure(b, func(i int) {
		d := &decisions[i%len(decisions)]
		var err error
		if dst, err = current.appendAnswer(dst[:0], d, current.outcome(d)); err != nil {
			b.Fatal(err)
		}
	})
}
