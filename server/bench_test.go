//go:build unix

package server

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
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
	inputs, handle := loadChecks(b), inPlace(b, a)
	size := 0
	for _, input := range inputs {
		handle(input)
		size += len(input)
	}
	b.ReportMetric(float64(size)/float64(len(inputs)), "bytes/request")
	measure(b, func(i int) {
		handle(inputs[i%len(inputs)])
	})
}

// BenchmarkAnswerOnWire measures the same without the metrics: the request is read,
// decided and answered.
func BenchmarkAnswerOnWire(b *testing.B) {
	a := newAuthorization(loadPolicy())
	inputs, current := loadChecks(b), a.policies.live.Load()
	var answer []byte
	handle := func(input []byte) {
		var r policy.Request
		if err := readWire(input, &r); err != nil {
			b.Fatal(err)
		}
		d := current.set.Decide(&r)
		var err error
		if answer, err = current.appendAnswer(answer[:0], &d, current.outcome(&d)); err != nil {
			b.Fatal(err)
		}
	}
	for _, input := range inputs {
		handle(input)
	}
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

// sender is a codec for a client that costs as little as it can: it sends bytes,
// and does not read what comes back.
type sender struct{}

func (sender) Name() string { return "proto" }

func (sender) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

func (sender) Unmarshal(mem.BufferSlice, any) error { return nil }

// BenchmarkServe measures Checks over two loopback connections, 32 at a time. The
// number includes the client.
func BenchmarkServe(b *testing.B) {
	const connections, inFlight = 2, 32
	a := newAuthorization(loadPolicy())
	server := newFront(&Options{MaxMessageBytes: defaultMaxMessageBytes}, nil, a.policies, a.metrics, a.logger)
	var config net.ListenConfig
	listener, err := config.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Close)
	var clients [connections]*grpc.ClientConn
	for i := range clients {
		clients[i], err = grpc.NewClient("passthrough:///"+listener.Addr().String(),
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(sender{})))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = clients[i].Close() })
	}
	inputs := loadChecks(b)
	b.SetParallelism(max(1, inFlight/runtime.GOMAXPROCS(0)))
	before := processorTime(b)
	var next atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		worker := int(next.Add(1))
		for i := worker * 100; pb.Next(); i++ {
			if err := clients[worker%connections].Invoke(context.Background(), checkMethod, inputs[i%len(inputs)], new([]byte)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}
