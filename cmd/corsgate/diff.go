package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
	"github.com/corsgate/corsgate/policy/source"
)

// What `diff` can be told to fail on.
const (
	failOnNone     = "none"
	failOnChange   = "change"
	failOnWidening = "widening"
	failOnRisk     = "risk"
)

const outputMarkdown = "markdown"

// errGated is of a change that a gate does not let through, where the command
// has said so.
var errGated = errors.New("the change does not pass")

// diffOptions is how `diff` was called.
type diffOptions struct {
	output   choice
	failOn   choice
	noPolicy choice
	accept   []string
	examples int
	server   diffServerOptions
}

func newDiff(to streams) *cobra.Command {
	options := diffOptions{
		output:   newChoice(outputText, outputText, outputJSON, outputMarkdown),
		failOn:   newChoice(failOnRisk, failOnNone, failOnChange, failOnWidening, failOnRisk),
		noPolicy: newChoice(noPolicyDeny, noPolicyDeny, noPolicyPass),
		server:   diffServerOptions{client: newClientSettings()},
	}
	command := &cobra.Command{
		Use:   "diff [OLD] NEW",
		Short: "Say what a change of policies means",
		Long: `diff reads the policies of OLD and of NEW, each a file or a folder, and says what
the change means and not what it spells: for each target, which origins gain and
which lose what. An origin that a wildcard covers now is not lost; policies that
were moved, renamed, split or written in another order have not changed.

Without OLD, NEW is compared with what is in the central store: the report is what
apply -f NEW would mean. --from-revision and --to-revision compare with, or two,
earlier revisions of the store.

Lines that begin with + are gains of callers, - losses, ~ answers in other words,
! risks and = what is only written differently.

It exits with 0 if the change passes, with 5 if it does not, and with 3 if OLD or
NEW is invalid. What does not pass is said by --fail-on:
  none      everything passes
  risk      a change with a risk does not, unless --accept names its code
  widening  a change by which anybody gains anything does not
  change    a change of any request's answer does not`,
		Example: `  corsgate diff main/policies policies
  corsgate diff --fail-on widening main/policies policies
  corsgate diff -o markdown main/policies policies >comment.md
  corsgate diff --accept unsafe_method,wildcard_widened main/policies policies
  corsgate diff --server https://corsgate.internal:9192 policies
  corsgate diff --from-revision 12 --to-revision 15`,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) > 2 || len(args) < 2 && !options.server.given(command) {
				return usagef("diff takes two arguments, and got %d; name the old and the new policies, as in: corsgate diff main/policies policies", len(args))
			}
			return options.server.check(command, args)
		},
		RunE: func(command *cobra.Command, args []string) error { return options.run(command, to, args) },
	}
	options.output.flag(command, "output", "o", "how to write the report")
	options.failOn.flag(command, "fail-on", "", "what does not pass")
	options.noPolicy.flag(command, "no-policy", "", "what becomes of cross-origin requests that no policy governs, as told to serve")
	command.Flags().StringSliceVar(&options.accept, "accept", nil, "codes of risks that pass")
	command.Flags().IntVar(&options.examples, "examples", diff.DefaultExamples, "how many of many origins or targets to list; -1 is all")
	options.server.addFlags(command)
	return command
}

func (o *diffOptions) run(command *cobra.Command, to streams, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	before, after, problems, err := o.sides(command, args)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		for i := range problems {
			if _, err := fmt.Fprintln(to.err, problems[i].Error()); err != nil {
				return fmt.Errorf("writing problems: %w", err)
			}
		}
		return errInvalid
	}
	report := diff.Compare(before, after, diff.Options{Examples: o.examples})
	if err := o.write(to, report); err != nil {
		return err
	}
	if reason := o.gate(report); reason != "" {
		if _, err := fmt.Fprintf(to.err, "corsgate: the change does not pass: %s\n", reason); err != nil {
			return fmt.Errorf("writing the outcome: %w", err)
		}
		return errGated
	}
	return nil
}

// check refuses flags that say nothing.
func (o *diffOptions) check() error {
	if o.examples == 0 || o.examples < -1 {
		return usagef("--examples is %d; it must be 1 or more, or -1 for all", o.examples)
	}
	kinds := diff.RiskKinds()
	for _, code := range o.accept {
		if slices.ContainsFunc(kinds, func(k diff.RiskKind) bool { return string(k.Code) == code }) {
			continue
		}
		known := make([]string, len(kinds))
		for i := range kinds {
			known[i] = string(kinds[i].Code)
		}
		return usagef("--accept: there is no risk %q; known are %s", code, strings.Join(known, ", "))
	}
	return nil
}

// sides reads what is to be compared. Only errors are among the problems.
func (o *diffOptions) sides(command *cobra.Command, args []string) (before, after diff.Side, problems policy.Problems, err error) {
	// What a guardrail bars is compared as it serves; validate calls it an error.
	options := policy.Options{Now: time.Now(), Breaches: policy.BreachesBarred}
	if o.noPolicy.value == noPolicyPass {
		options.NoPolicy = policy.DispositionPass
	}
	if o.server.asked(args) {
		return o.server.sides(command, args, options)
	}
	var sides [2]diff.Side
	for i, path := range args {
		documents, found, err := readDocuments(command.Context(), path)
		if err != nil {
			return before, after, nil, err
		}
		var more policy.Problems
		sides[i], more = compileSide(documents, found, options)
		problems = append(problems, more...)
	}
	return sides[0], sides[1], problems, nil
}

// readDocuments reads the policies of a path.
func readDocuments(ctx context.Context, path string) ([]policy.Document, policy.Problems, error) {
	files := source.NewFile([]string{path}, source.FileOptions{Logger: slog.New(slog.DiscardHandler)})
	snapshot, err := files.Load(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reading policies: %w", err)
	}
	return snapshot.Documents, snapshot.Problems, nil
}

func (o *diffOptions) write(to streams, report *diff.Report) error {
	switch o.output.value {
	case outputJSON:
		return writeJSON(to.out, report)
	case outputMarkdown:
		return report.WriteMarkdown(to.out)
	default:
		return report.WriteText(to.out)
	}
}

// gate returns why a change does not pass. It is empty where it does.
func (o *diffOptions) gate(report *diff.Report) string {
	switch o.failOn.value {
	case failOnChange:
		if report.Meaning == diff.MeaningChanged {
			return "requests are answered in another way"
		}
	case failOnWidening:
		if report.Has(diff.Gain) {
			return count(report.Gains, "gain", "gains")
		}
	case failOnRisk:
		risks := 0
		for _, risk := range report.AllRisks() {
			if !slices.Contains(o.accept, string(risk.Code)) {
				risks++
			}
		}
		if risks > 0 {
			return count(risks, "risk", "risks") + " to look at"
		}
	}
	return ""
}
