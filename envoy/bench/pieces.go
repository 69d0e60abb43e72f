package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/scene"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// The cells of the experiment: parts of corsgate, without a network.
const (
	wirePiece  = "pieces/wire"
	findHit    = "pieces/find/hit"
	findMiss   = "pieces/find/miss"
	findOne    = "pieces/find/one"
	indexPiece = "pieces/index"
	livePiece  = "pieces/live"
	yamlPiece  = "pieces/yaml"
	jsonPiece  = "pieces/json"
)

const (
	// pieceOrigins and pieceWildcards are what a large set holds.
	pieceOrigins, pieceWildcards = 1_000_000, 10_000
	// benchTime is how long each of Go's own benchmarks runs.
	benchTime = time.Second
)

// A goBenchmark is one of Go's own benchmarks, and the metrics that a cell takes
// from it, by the units that it reports.
type goBenchmark struct {
	pkg     string
	name    string // as -test.bench takes it: each part matches whole
	metrics map[string]string
}

// goBenchmarks are those of corsgate's packages that the table shows.
func goBenchmarks() map[string]goBenchmark {
	nanos := map[string]string{"ns/op": metricNanos, "allocs/op": metricAllocs}
	return map[string]goBenchmark{
		wirePiece:  {"./server", "^BenchmarkWire$", nanos},
		findOne:    {"./policy", "^BenchmarkFind$/^origins=1$/^hit=true$", nanos},
		findHit:    {"./policy", "^BenchmarkFind$/^origins=1000000$/^hit=true$", nanos},
		findMiss:   {"./policy", "^BenchmarkFind$/^origins=1000000$/^hit=false$", nanos},
		indexPiece: {"./policy", "^BenchmarkBuild$/^origins=1000000$", map[string]string{"bytes/origin": metricBytes}},
	}
}

func (b *bench) piecesExperiment() experiment {
	const million = 3 * time.Second
	cells := map[string]time.Duration{livePiece: 2 * million, yamlPiece: million, jsonPiece: million}
	for name := range goBenchmarks() {
		cells[name] = 2 * million
	}
	return experiment{name: "pieces", about: 20 * time.Second, cells: cells, open: b.openPieces}
}

func (b *bench) openPieces(ctx context.Context, want func(string) bool) ([]cell, error) {
	benchmarks := goBenchmarks()
	tests := make(map[string]string)
	var cells []cell
	for _, name := range []string{wirePiece, findOne, findHit, findMiss, indexPiece} {
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
	exact, wildcards := b.number(pieceOrigins), b.number(pieceWildcards)
	if want(livePiece) {
		docs := scene.OriginDocuments(exact, wildcards)
		cells = append(cells, cell{livePiece, func(context.Context) (sample, error) { return compileTime(docs) }})
	}
	for name, text := range map[string]func(int, int) ([]byte, error){
		yamlPiece: func(exact, wildcards int) ([]byte, error) { return scene.OriginSet(exact, wildcards), nil },
		jsonPiece: originSetJSON,
	} {
		if !want(name) {
			continue
		}
		data, err := text(exact, wildcards)
		if err != nil {
			return nil, err
		}
		cells = append(cells, cell{name, func(context.Context) (sample, error) { return readTime(name, data) }})
	}
	return cells, nil
}

// originSetJSON is the set of origins in JSON.
func originSetJSON(exact, wildcards int) ([]byte, error) {
	docs := scene.OriginDocuments(exact, wildcards)
	text, err := json.Marshal(docs[0].Message)
	if err != nil {
		return nil, fmt.Errorf("write a set of origins: %w", err)
	}
	// The Go names of the fields are those of the schema in snake_case.
	return []byte(strings.Replace(string(text), `"api_version"`, `"apiVersion"`, 1)), nil
}

// compileTime measures from a list of texts to a set in force, once, as after a
// change: nothing is ready from before.
func compileTime(docs []policy.Document) (sample, error) {
	runtime.GC()
	started := time.Now()
	set, problems := policy.Compile(docs, policy.Options{})
	took := time.Since(started)
	if set == nil {
		return nil, problems
	}
	runtime.KeepAlive(set)
	return sample{metricTime: milliseconds(took)}, nil
}

// readTime measures from a document to a set in force, once.
func readTime(name string, data []byte) (sample, error) {
	runtime.GC()
	started := time.Now()
	docs, problems := document.Read(name, data)
	if len(problems) > 0 {
		return nil, problems
	}
	read := time.Since(started)
	docs = append(docs, scene.OriginDocuments(0, 0)[1])
	set, problems := policy.Compile(docs, policy.Options{})
	took := time.Since(started)
	if set == nil {
		return nil, problems
	}
	runtime.KeepAlive(set)
	return sample{metricTime: milliseconds(took), "read_ms": milliseconds(read)}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// runGo runs one benchmark of Go's own and reads what it prints.
func (b *bench) runGo(ctx context.Context, binary string, g goBenchmark) (sample, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", g.name, //nolint:gosec // It was built here.
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
