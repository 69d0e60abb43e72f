package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The cells of the experiment: parts of corsgate, without a network.
const (
	wirePiece  = "pieces/wire"
	checkPiece = "pieces/check"
	findHit    = "pieces/find/hit"
	findMiss   = "pieces/find/miss"
	findOne    = "pieces/find/one"
	indexPiece = "pieces/index"
	yamlPiece  = "pieces/yaml"
	jsonPiece  = "pieces/json"
)

// benchTime is how long each of Go's own benchmarks runs.
const benchTime = time.Second

// A goBenchmark is one of Go's own benchmarks, and the metrics that a cell takes
// from it, by the units that it reports.
type goBenchmark struct {
	pkg     string
	name    string // as -test.bench takes it: each part matches whole
	metrics map[string]string
}

// pieces are the cells in the order of their measurement.
func pieces() []string {
	return []string{wirePiece, checkPiece, findOne, findHit, findMiss, indexPiece, yamlPiece, jsonPiece}
}

// goBenchmarks are those of corsgate's packages that the table shows.
func (b *bench) goBenchmarks() map[string]goBenchmark {
	nanos := map[string]string{"ns/op": metricNanos, "allocs/op": metricAllocs}
	large := "/^origins=1000000$"
	if b.opts.short {
		large = "/^origins=1000$"
	}
	return map[string]goBenchmark{
		wirePiece:  {"./server", "^BenchmarkAnswerOnWire$", nanos},
		checkPiece: {"./server", "^BenchmarkCheckOnWire$", nanos},
		findOne:    {"./policy", "^BenchmarkFind$/^origins=1$/^hit=true$", nanos},
		findHit:    {"./policy", "^BenchmarkFind$" + large + "/^hit=true$", nanos},
		findMiss:   {"./policy", "^BenchmarkFind$" + large + "/^hit=false$", nanos},
		indexPiece: {"./policy", "^BenchmarkBuild$" + large, map[string]string{"bytes/origin": metricBytes, "ns/op": metricTime}},
		yamlPiece:  {"./policy/document", "^BenchmarkReadYAML$" + large, map[string]string{"ns/op": metricTime}},
		jsonPiece:  {"./policy/document", "^BenchmarkReadJSON$" + large, map[string]string{"ns/op": metricTime}},
	}
}

func (b *bench) piecesExperiment() experiment {
	// What each makes before it begins takes longer than what it measures.
	const about = 5 * time.Second
	cells := make(map[string]time.Duration)
	for _, name := range pieces() {
		cells[name] = about
	}
	return experiment{name: "pieces", about: 20 * time.Second, cells: cells, open: b.openPieces}
}

func (b *bench) openPieces(ctx context.Context, want func(string) bool) ([]cell, error) {
	benchmarks := b.goBenchmarks()
	tests := make(map[string]string)
	var cells []cell
	for _, name := range pieces() {
		if !want(name) {
			continue
		}
		g := benchmarks[name]
		if tests[g.pkg] == "" {
			binary := filepath.Join(b.dir, path.Base(g.pkg)+".test")
			build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, g.pkg)
			build.Dir = b.repository
			if out, err := build.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("build the benchmarks of %s: %w\n%s", g.pkg, err, out)
			}
			tests[g.pkg] = binary
		}
		binary := tests[g.pkg]
		cells = append(cells, cell{name, func(ctx context.Context) (sample, error) { return b.runGo(ctx, binary, g) }})
	}
	return cells, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// runGo runs one benchmark of Go's own and reads what it prints.
func (b *bench) runGo(ctx context.Context, binary string, g goBenchmark) (sample, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", g.name,
		"-test.benchtime", b.span(benchTime).String(), "-test.benchmem")
	cmd.Dir = filepath.Join(b.repository, g.pkg)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run %s of %s: %w\n%s", g.name, g.pkg, err, out)
	}
	lines := benchmarkLines(string(out))
	if len(lines) != 1 {
		return nil, fmt.Errorf("%d benchmarks of %s match %s, want one:\n%s", len(lines), g.pkg, g.name, out)
	}
	s := make(sample)
	for unit, metric := range g.metrics {
		value, ok := lines[0][unit]
		if !ok {
			return nil, fmt.Errorf("%s of %s does not report %s:\n%s", g.name, g.pkg, unit, out)
		}
		if metric == metricTime {
			value /= 1e6
		}
		s[metric] = value
	}
	return s, nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+(.+)$`)

// benchmarkLines returns what each line of a benchmark's output says, by unit.
func benchmarkLines(output string) []map[string]float64 {
	var lines []map[string]float64
	for _, match := range benchmarkLine.FindAllStringSubmatch(output, -1) {
		line := make(map[string]float64)
		for pair := range slices.Chunk(strings.Fields(match[1]), 2) {
			if len(pair) < 2 {
				break
			}
			if value, err := strconv.ParseFloat(pair[0], 64); err == nil {
				line[pair[1]] = value
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// loadAverage is how busy the machine is, or nothing where that is not known.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text))
	if len(fields) < 1 {
		return ""
	}
	return fields[0]
}
