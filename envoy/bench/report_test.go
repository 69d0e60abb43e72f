package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLine goes from samples to the words of the table.
func TestLine(t *testing.T) {
	t.Parallel()
	from := samples{
		"a": {{"x": 10, "y": 5}, {"x": 20, "y": 6}, {"x": 90, "y": 7}},
		"b": {{"x": 20, "y": 4}, {"x": 50, "y": 4}, {"x": 100, "y": 4}},
		"c": {{"y": 1}, {"y": 2}, {"y": 3}},
		"d": {{"x": 1}},
	}
	x := func(cell string) figure { return figure{cell: cell, metric: "x"} }
	for _, row := range []struct {
		name string
		row  row
		want string
	}{
		// 0.5, 0.4 and 0.9, whose median is not that of the medians, 0.4.
		{"a ratio of rounds", row{unit: "µs", ours: x("a"), base: x("b"), sign: atMost, limit: 0.5}, "≤ 0.5|20.0 µs|50.0 µs|0.50|met"},
		{"above", row{ours: x("a"), base: x("b"), sign: atMost, limit: 0.49}, "≤ 0.49|20.0|50.0|0.50|not met"},
		{"at least", row{ours: x("a"), base: x("b"), sign: atLeast, limit: 0.5}, "≥ 0.5|20.0|50.0|0.50|met"},
		{"below", row{ours: x("a"), base: x("b"), sign: atLeast, limit: 0.51}, "≥ 0.51|20.0|50.0|0.50|not met"},
		{"no goal", row{ours: x("a"), base: x("b")}, "|20.0|50.0|0.50|"},
		{"no base", row{unit: "ns", ours: x("a"), sign: atMost, limit: 20}, "≤ 20 ns|20.0 ns|||met"},
		{"zero is a figure", row{ours: figure{cell: "d", metric: "x", minus: "d"}, sign: atMost}, "≤ 0|0|||met"},
		{
			"what is added",
			row{
				ours: figure{cell: "a", metric: "y", minus: "c"}, base: figure{cell: "b", metric: "y", minus: "c"},
				sign: atMost, limit: 2,
			},
			"≤ 2|4|2|2.00|met",
		},
		{
			"no more than noise",
			row{
				ours: figure{cell: "b", metric: "y", minus: "c"}, base: figure{cell: "c", metric: "y", minus: "b"},
				sign: atMost, limit: 2,
			},
			"≤ 2|2|-2||lost in noise",
		},
		{"nothing", row{ours: x("e"), sign: atMost, limit: 2}, "≤ 2||||not measured"},
		{"no such metric", row{ours: figure{cell: "a", metric: "z"}}, "||||not measured"},
		{"rounds that are missing", row{ours: x("a"), base: x("d")}, "|20.0|||not measured"},
	} {
		l := row.row.line(from)
		if got := strings.Join(l.cells()[1:], "|"); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		numbers []float64
		want    float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(row.numbers); got != row.want {
			t.Errorf("the median of %v is %v, want %v", row.numbers, got, row.want)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0: "0", 0.0123: "0.012", 1: "1", 2.5: "2.5", 12.34: "12.3", 100: "100", 12345.6: "12346", -3: "-3"} {
		if got := number(value); got != want {
			t.Errorf("%v is written %q, want %q", value, got, want)
		}
	}
	for value, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(value); got != want {
			t.Errorf("%v is written %q, want %q", value, got, want)
		}
	}
}

func TestReplaceTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "doc.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a\n<!-- table -->\nold\n<!-- end of table -->\nb\n")
	for range 2 { // The second time there is nothing to change.
		if err := replaceTable(file, tableMark, "new\n"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := "a\n<!-- table -->\nnew\n<!-- end of table -->\nb\n"; string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	write("a\n<!-- table -->\nold\n")
	if err := replaceTable(file, tableMark, "new\n"); err == nil || !strings.Contains(err.Error(), "has no lines") {
		t.Errorf("the error is %v", err)
	}
}

// TestDocument wants the marks in the document that the tables are written to,
// and the name of each row in nothing but this program.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{tableMark, growthMark} {
		for _, want := range []string{"\n<!-- " + mark + " -->\n", "\n<!-- end of " + mark + " -->\n"} {
			if strings.Count(string(text), want) != 1 {
				t.Errorf("docs/performance.md has no line %q, or several", strings.TrimSpace(want))
			}
		}
	}
}

// TestRows wants each cell that a row needs to be one that an experiment
// measures, and no name twice.
func TestRows(t *testing.T) {
	t.Parallel()
	b := &bench{opts: parse(t)}
	measured := make(map[string]bool)
	for _, e := range b.experiments() {
		for name := range e.cells {
			measured[name] = true
		}
	}
	names := make(map[string]bool)
	for _, r := range b.rows() {
		if names[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		names[r.name] = true
		for _, name := range r.cells() {
			if !measured[name] {
				t.Errorf("%s needs %s, which nothing measures", r.name, name)
			}
		}
	}
	b.opts = parse(t, "-only", "^reload/")
	if got := len(b.rows()); got != 3 {
		t.Errorf("-only leaves %d rows, want 3", got)
	}
}

func TestBenchmarkLines(t *testing.T) {
	t.Parallel()
	const output = "goos: linux\nBenchmarkFind/origins=1-2   \t1000000\t      52.5 ns/op\t       0 B/op\t       0 allocs/op\n" +
		"BenchmarkBuild-2  3  12 ns/op  40.5 bytes/origin\nPASS\n"
	got := benchmarkLines(output)
	if len(got) != 2 || got[0]["ns/op"] != 52.5 || got[0]["allocs/op"] != 0 || len(got[0]) != 3 || got[1]["bytes/origin"] != 40.5 {
		t.Errorf("got %v", got)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"-rounds", "0"}, "-rounds must be 1 or more"},
		{[]string{"-o", "xml"}, `-o is text, markdown or json, not "xml"`},
		{[]string{"-only", "("}, "read -only"},
		{[]string{"all"}, `there is nothing to do with ["all"]`},
	} {
		if _, err := readFlags(row.args, io.Discard); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: %v, want %q", row.args, err, row.want)
		}
	}
	for _, row := range []struct {
		args []string
		want int
	}{
		{nil, 5},
		{[]string{"-growth"}, 3},
		{[]string{"-growth", "-rounds", "5"}, 5},
		{[]string{"-rounds", "1"}, 1},
	} {
		if o, err := readFlags(row.args, io.Discard); err != nil || o.rounds != row.want {
			t.Errorf("%v: %d rounds, error %v, want %d", row.args, o.rounds, err, row.want)
		}
	}
	var help bytes.Buffer
	if _, err := readFlags([]string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-growth") {
		t.Errorf("-h: %v, %s", err, &help)
	}
}

// TestNoBuild wants an error, and nothing left, where nothing can be built.
func TestNoBuild(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newBench(ctx, parse(t), io.Discard); err == nil || !strings.Contains(err.Error(), "build ./cmd/corsgate") {
		t.Errorf("the error is %v", err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
