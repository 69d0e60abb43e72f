package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/load"
	"github.com/corsgate/corsgate/envoy/bench/machine"
	"github.com/corsgate/corsgate/envoy/bench/scene"
	"github.com/corsgate/corsgate/policy"
)

// grow measures how cost grows with what there is more of, and prints a table
// for each.
func (b *bench) grow(ctx context.Context, to io.Writer) error {
	text := &strings.Builder{}
	fmt.Fprintf(text, "Commit %s, %s, medians of %d rounds, %s; the load average was %s before.\n",
		b.commit(ctx), machineWords(), b.opts.rounds, time.Now().UTC().Format(time.DateOnly), b.load)
	for _, chart := range []struct {
		name string
		draw func(context.Context, *strings.Builder) error
	}{
		{"origins", b.growOrigins},
		{"policies", b.growPolicies},
		{"headers", b.growHeaders},
		{"connections", b.growConnections},
	} {
		if !b.opts.only.MatchString(chart.name) {
			continue
		}
		if err := chart.draw(ctx, text); err != nil {
			return fmt.Errorf("measure how cost grows with %s: %w", chart.name, err)
		}
		if err := b.stopAll(); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(to, text.String()); err != nil {
		return err
	}
	if b.opts.write != "" {
		return replaceTable(b.opts.write, growthMark, text.String())
	}
	return nil
}

// sizes are what a chart goes through; a test takes the small ones.
func (b *bench) sizes(all ...int) []int {
	const smallest = 2
	if b.opts.short {
		return all[:smallest]
	}
	return all
}

// repeat measures a size as often as there are rounds, and returns the medians.
func (b *bench) repeat(what string, measure func() (sample, error)) (sample, error) {
	all := make(map[string][]float64)
	for range b.opts.rounds {
		s, err := measure()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		for name, value := range s {
			all[name] = append(all[name], value)
		}
	}
	middle := make(sample)
	for name, values := range all {
		middle[name] = median(values)
	}
	b.sayf("%-28s %s", what, middle)
	return middle, nil
}

func (b *bench) growOrigins(_ context.Context, to *strings.Builder) error {
	var rows [][]string
	for _, n := range b.sizes(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000) {
		docs := scene.OriginDocuments(n, 0)
		s, err := b.repeat(strconv.Itoa(n)+" origins", func() (sample, error) {
			return setCost(docs, n, func(r *policy.Request, i int) { r.Host, r.Origin = scene.Host(0), scene.Origin(i) })
		})
		if err != nil {
			return err
		}
		rows = append(rows, []string{
			thousands(n), number(s["decide_ns"]) + " ns", number(s[metricTime]) + " ms", megabytes(s["set_bytes"]),
			number(s["set_bytes"]/float64(n)) + " B",
		})
	}
	fmt.Fprintf(to, "\n### Origins\n\nOne set, one policy. A decision is of a parsed request from a known origin, each time another; "+
		"to live is from the texts to a set; the set's memory is without the documents.\n\n%s",
		markdownTable([]string{"origins", "decision", "to live", "set", "each"}, rows))
	return nil
}

func (b *bench) growPolicies(ctx context.Context, to *strings.Builder) error {
	var rows [][]string
	for _, n := range b.sizes(1, 10, 100, 1_000, 10_000, 100_000) {
		docs := scene.TeamDocuments(n)
		s, err := b.repeat(strconv.Itoa(n)+" policies", func() (sample, error) {
			return setCost(docs, n, func(r *policy.Request, i int) { r.Host, r.Origin = scene.TeamHost(i), scene.TeamOrigin(i) })
		})
		if err != nil {
			return err
		}
		dir, err := b.tree(n)
		if err != nil {
			return err
		}
		ready, err := b.repeat(strconv.Itoa(n)+" policies, start", func() (sample, error) { return b.startTime(ctx, dir) })
		if err != nil {
			return err
		}
		rows = append(rows, []string{
			thousands(n), number(s["decide_ns"]) + " ns", number(s[metricTime]) + " ms", number(ready[metricTime]) + " ms",
			megabytes(s["set_bytes"]), number(s["set_bytes"]/float64(n)) + " B",
		})
	}
	fmt.Fprintf(to, "\n### Policies\n\nEach governs a host of its own and lists three origins. To ready is from the start of the program, "+
		"with each policy in a file.\n\n%s",
		markdownTable([]string{"policies", "decision", "to live", "to ready", "set", "each"}, rows))
	return nil
}

// setCost measures the compilation of documents, what the set holds beside them,
// and a decision about one of n things, in an order that no cache foresees.
func setCost(docs []policy.Document, n int, about func(r *policy.Request, i int)) (sample, error) {
	before := heap()
	started := time.Now()
	set, problems := policy.Compile(docs, policy.Options{})
	took := time.Since(started)
	if set == nil {
		return nil, problems
	}
	bytes := float64(heap() - before)

	const questions, decisions = 1 << 16, 1 << 19
	requests := make([]policy.Request, questions)
	for i := range requests {
		requests[i] = policy.Request{Method: "GET", Scheme: "https", Path: "/v1/orders"}
		about(&requests[i], rand.IntN(n))
	}
	denied := 0
	started = time.Now()
	for i := range decisions {
		if d := set.Decide(&requests[i%questions]); d.Verdict != policy.VerdictAllow {
			denied++
		}
	}
	each := float64(time.Since(started).Nanoseconds()) / decisions
	if denied > 0 {
		return nil, fmt.Errorf("%d of %d decisions refuse what the policies allow", denied, decisions)
	}
	runtime.KeepAlive(set)
	return sample{metricTime: milliseconds(took), "set_bytes": bytes, "decide_ns": each}, nil
}

// heap is how many bytes are in use.
func heap() int64 {
	// The second collection frees what finalizers of the first let go.
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func (b *bench) growHeaders(ctx context.Context, to *strings.Builder) error {
	dir, _, err := b.policies(checkOrigins, 0)
	if err != nil {
		return err
	}
	noop, err := b.compared(ctx, "noop", anywhere())
	if err != nil {
		return err
	}
	corsgate, err := b.corsgateAt(ctx, anywhere(), dir)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, n := range b.sizes(5, 10, 21, 50, 100) {
		messages, err := scene.MarshalledChecks(scene.Checks, b.number(checkOrigins), n)
		if err != nil {
			return err
		}
		bytes := 0
		for _, message := range messages {
			bytes += len(message)
		}
		dialect := &load.GRPC{Method: scene.CheckMethod, Messages: messages}
		s, err := b.pair(ctx, strconv.Itoa(n)+" headers", b.checkCell("", "saturated", noop, dialect), b.checkCell("", "saturated", corsgate, dialect))
		if err != nil {
			return err
		}
		rows = append(rows, append([]string{strconv.Itoa(n), number(float64(bytes)/float64(len(messages))) + " B"}, s...))
	}
	fmt.Fprintf(to, "\n### Headers\n\nCPU of the server per Check, saturated.\n\n%s",
		markdownTable([]string{"headers", "message", "no-op", "corsgate", "ratio", "requests a second"}, rows))
	return nil
}

func (b *bench) growConnections(ctx context.Context, to *strings.Builder) error {
	dir, _, err := b.policies(checkOrigins, 0)
	if err != nil {
		return err
	}
	noop, err := b.compared(ctx, "noop", anywhere())
	if err != nil {
		return err
	}
	corsgate, err := b.corsgateAt(ctx, anywhere(), dir)
	if err != nil {
		return err
	}
	messages, err := scene.MarshalledChecks(scene.Checks, b.number(checkOrigins), scene.CheckHeaders)
	if err != nil {
		return err
	}
	dialect := &load.GRPC{Method: scene.CheckMethod, Messages: messages}
	var rows [][]string
	for _, n := range b.sizes(1, 2, 4, 8, 16, 32, 64) {
		on := func(server *target) cell {
			return cell{"", func(ctx context.Context) (sample, error) {
				return b.put(ctx, load.Options{
					Network: server.network, Address: server.address, Dialect: dialect, Core: machine.AnyCore,
					Connections: n, InFlight: max(n, checkInFlight), Duration: checkSaturatedSpan,
				}, "", server.process)
			}}
		}
		s, err := b.pair(ctx, strconv.Itoa(n)+" connections", on(noop), on(corsgate))
		if err != nil {
			return err
		}
		rows = append(rows, append([]string{strconv.Itoa(n)}, s...))
	}
	fmt.Fprintf(to, "\n### Connections\n\nCPU of the server per Check, saturated; %d in flight in all, one a connection at least.\n\n%s",
		checkInFlight, markdownTable([]string{"connections", "no-op", "corsgate", "ratio", "requests a second"}, rows))
	return nil
}

// pair measures two cells in turn, and returns the CPU of both, corsgate's share
// of it, and corsgate's rate.
func (b *bench) pair(ctx context.Context, what string, noop, corsgate cell) ([]string, error) {
	s, err := b.repeat(what, func() (sample, error) {
		first, err := noop.measure(ctx)
		if err != nil {
			return nil, err
		}
		second, err := corsgate.measure(ctx)
		if err != nil {
			return nil, err
		}
		return sample{
			"noop": first[metricCPU], "corsgate": second[metricCPU], "ratio": second[metricCPU] / first[metricCPU],
			metricRate: second[metricRate],
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return []string{
		number(s["noop"]) + " µs", number(s["corsgate"]) + " µs", strconv.FormatFloat(s["ratio"], 'f', 2, 64),
		thousands(int(s[metricRate])),
	}, nil
}

// thousands writes a whole number in groups of three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	const group = 3
	for at := len(digits) - group; at > 0; at -= group {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func megabytes(bytes float64) string { return number(bytes/(1<<20)) + " MB" }
