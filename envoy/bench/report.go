package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// The outcomes of a row.
const (
	outcomeMet       = "met"
	outcomeNotMet    = "not met"
	outcomeNoGoal    = ""
	outcomeUnmeasure = "not measured"
	// outcomeNoise is of a difference whose sign is chance.
	outcomeNoise = "lost in noise"
)

// A line is a row with what was found.
type line struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Unit    string   `json:"unit,omitempty"`
	Goal    string   `json:"goal,omitempty"`
	Figure  *float64 `json:"figure,omitempty"`
	Against *float64 `json:"against,omitempty"`
	Ratio   *float64 `json:"ratio,omitempty"`
	Outcome string   `json:"outcome,omitempty"`
}

// A report is the table and what it was measured on.
type report struct {
	When    time.Time `json:"when"`
	Commit  string    `json:"commit"`
	Machine string    `json:"machine"`
	Rounds  int       `json:"rounds"`
	Load    string    `json:"loadAverageBefore"`
	Lines   []line    `json:"rows"`
	Samples samples   `json:"samples"`
}

func (b *bench) report(ctx context.Context, results samples) *report {
	rep := &report{
		When: time.Now().UTC(), Commit: b.commit(ctx), Machine: machineWords(),
		Rounds: b.opts.rounds, Load: b.load, Samples: results,
	}
	for _, r := range b.rows() {
		rep.Lines = append(rep.Lines, r.line(results))
	}
	return rep
}

// commit names what was measured. The benchmark works without a repository's
// history too.
func (b *bench) commit(ctx context.Context) string {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "git", "describe", "--always", "--dirty")
	cmd.Dir = b.repository
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machineWords() string {
	words := fmt.Sprintf("%d cores", runtime.NumCPU())
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return words
	}
	for l := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return words + ", " + strings.TrimSpace(value)
		}
	}
	return words
}

// rounds returns a figure's values, a value a round.
func (f figure) rounds(from samples) []float64 {
	values := make([]float64, 0, len(from[f.cell]))
	for i, s := range from[f.cell] {
		value, ok := s[f.metric]
		if !ok {
			continue
		}
		if f.minus != "" {
			if i >= len(from[f.minus]) {
				break
			}
			value -= from[f.minus][i][f.metric]
		}
		values = append(values, value)
	}
	return values
}

// line finds the medians, and the median of the rounds' ratios: the two of a
// round were measured one after the other, so a machine that is slower for a
// while slows both. A figure that is itself a difference is too uneven for that;
// then it is the ratio of the medians.
func (r *row) line(from samples) line {
	l := line{Name: r.name, What: r.what, Unit: r.unit, Outcome: outcomeUnmeasure}
	if r.sign != "" {
		l.Goal = r.sign + " " + strconv.FormatFloat(r.limit, 'f', -1, 64)
		if r.base.cell == "" && r.unit != "" {
			l.Goal += " " + r.unit
		}
	}
	ours := r.ours.rounds(from)
	if len(ours) == 0 {
		return l
	}
	value := median(ours)
	l.Figure = &value
	judged := value
	if r.base.cell != "" {
		base := r.base.rounds(from)
		if len(base) != len(ours) {
			return l
		}
		against, ratio := median(base), ratioOf(ours, base, r.ours.minus != "")
		l.Against = &against
		if math.IsNaN(ratio) || math.IsInf(ratio, 0) || ratio < 0 {
			l.Outcome = outcomeNoise
			return l
		}
		l.Ratio, judged = &ratio, ratio
	}
	l.Outcome = r.judge(judged)
	return l
}

func ratioOf(ours, base []float64, ofMedians bool) float64 {
	if ofMedians {
		return median(ours) / median(base)
	}
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / base[i]
	}
	return median(ratios)
}

func (r *row) judge(value float64) string {
	switch {
	case r.sign == "":
		return outcomeNoGoal
	case r.sign == atMost && value <= r.limit, r.sign == atLeast && value >= r.limit:
		return outcomeMet
	default:
		return outcomeNotMet
	}
}

func (r *report) met() bool {
	for _, l := range r.Lines {
		if l.Outcome != outcomeMet && l.Outcome != outcomeNoGoal {
			return false
		}
	}
	return true
}

// number writes a number with three digits that mean something.
func number(v float64) string {
	switch size := math.Abs(v); {
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 3, 64), "0"), ".")
	}
}

// cells are a line's words in the table.
func (l *line) cells() []string {
	value := func(v *float64, unit string) string {
		if v == nil {
			return ""
		}
		if unit == "" {
			return number(*v)
		}
		return number(*v) + " " + unit
	}
	ratio := value(l.Ratio, "")
	if l.Ratio != nil {
		ratio = strconv.FormatFloat(*l.Ratio, 'f', 2, 64)
	}
	return []string{l.What, l.Goal, value(l.Figure, l.Unit), value(l.Against, l.Unit), ratio, l.Outcome}
}

func header() []string { return []string{"figure", "goal", "corsgate", "against", "ratio", ""} }

// about says what the table is of.
func (r *report) about() string {
	return fmt.Sprintf("Commit %s, %s, medians of %d interleaved rounds, %s; the load average was %s before.",
		r.Commit, r.Machine, r.Rounds, r.When.Format(time.DateOnly), r.Load)
}

func (r *report) markdown() string {
	rows := make([][]string, len(r.Lines))
	for i := range r.Lines {
		rows[i] = r.Lines[i].cells()
	}
	return r.about() + "\n\n" + markdownTable(header(), rows)
}

func markdownTable(head []string, rows [][]string) string {
	var text strings.Builder
	writeRow := func(cells []string) { fmt.Fprintf(&text, "| %s |\n", strings.Join(cells, " | ")) }
	writeRow(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	writeRow(rule)
	for _, cells := range rows {
		writeRow(cells)
	}
	return text.String()
}

func (r *report) print(to io.Writer, format string) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(to)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	case "markdown":
		_, err := io.WriteString(to, r.markdown())
		return err
	default:
		table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, strings.Join(header(), "\t"))
		for i := range r.Lines {
			fmt.Fprintln(table, strings.Join(r.Lines[i].cells(), "\t"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(to, r.about())
		return err
	}
}

// The marks between which a document has what is measured.
const (
	tableMark  = "table"
	growthMark = "growth"
)

// replaceTable puts a text between a file's two marks of a name.
func replaceTable(file, mark, text string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	opening, closing := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->"
	head, rest, ok := strings.Cut(string(before), opening)
	_, tail, okToo := strings.Cut(rest, closing)
	if !ok || !okToo {
		return fmt.Errorf("write the table: %s has no lines %q and %q", file, strings.TrimSpace(opening), closing)
	}
	const mode = 0o644
	if err := os.WriteFile(file, []byte(head+opening+text+closing+tail), mode); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
