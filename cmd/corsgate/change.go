package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// changeReport is what became of a change, and the JSON of the commands that make
// one. Fields are added to it, and none changes its meaning.
type changeReport struct {
	// Applied says that the server accepted the change, or would: it is false where
	// there is an error among the problems, or a conflict.
	Applied bool `json:"applied"`
	// Changed says whether anything differs from before.
	Changed bool `json:"changed"`
	DryRun  bool `json:"dryRun"`
	// Revision is the one that the change made, or the newest where it made none.
	Revision int64        `json:"revision"`
	Changes  []changeItem `json:"changes"`
	// Problems are in the shape of `validate -o json`.
	Problems policy.Problems `json:"problems"`
	// Diff is in the shape of `diff -o json`.
	Diff map[string]any `json:"diff,omitempty"`
	// Conflict is what somebody else has changed, where that is in the way.
	Conflict []documentItem `json:"conflict,omitempty"`
	// Waiting is what became of --wait.
	Waiting *waitReport `json:"waiting,omitempty"`
}

// changeItem is what became of one document.
type changeItem struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Change is created, updated or deleted.
	Change         string `json:"change"`
	OriginsAdded   int64  `json:"originsAdded,omitempty"`
	OriginsRemoved int64  `json:"originsRemoved,omitempty"`
	// Before and After are the document's texts, where they were asked for.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

func changeItems(changes []*corsgatev1.DocumentChange) []changeItem {
	items := make([]changeItem, len(changes))
	for i, change := range changes {
		ref := change.GetRef()
		items[i] = changeItem{
			Kind: ref.GetKind(), Namespace: ref.GetNamespace(), Name: ref.GetName(), Change: changeWord(change.GetChange()),
			OriginsAdded: change.GetOriginsAdded(), OriginsRemoved: change.GetOriginsRemoved(),
			Before: change.GetBefore(), After: change.GetAfter(),
		}
	}
	return items
}

// changeWord says what happened to a document.
func changeWord(kind corsgatev1.ChangeKind) string {
	switch kind {
	case corsgatev1.ChangeKind_CHANGE_KIND_CREATED:
		return "created"
	case corsgatev1.ChangeKind_CHANGE_KIND_UPDATED:
		return "updated"
	case corsgatev1.ChangeKind_CHANGE_KIND_DELETED:
		return "deleted"
	default:
		return "changed"
	}
}

// describe returns "CorsOriginSet partners, +2 -1 origins".
func describeChange(change *corsgatev1.DocumentChange) string {
	text := refName(change.GetRef())
	added, removed := change.GetOriginsAdded(), change.GetOriginsRemoved()
	if added == 0 && removed == 0 {
		return text
	}
	var counts []string
	if added > 0 {
		counts = append(counts, "+"+thousands(added))
	}
	if removed > 0 {
		counts = append(counts, "-"+thousands(removed))
	}
	noun := " origins"
	if added+removed == 1 {
		noun = " origin"
	}
	return text + ", " + strings.Join(counts, " ") + noun
}

// changeOptions is what all commands that change something have in common.
type changeOptions struct {
	client   clientSettings
	output   choice
	reason   text
	expected revision
	dryRun   bool
	wait     waiting
}

func newChangeOptions() changeOptions {
	return changeOptions{client: newClientSettings(), output: newChoice(outputText, outputText, outputJSON, outputYAML)}
}

func (o *changeOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(&o.reason, "reason", "why, for the history")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what the change would mean, and change nothing")
	flags.Var(&o.expected, "expected-revision", "the `revision` that the change was made from: what was changed after it is not overwritten")
	o.wait.addFlag(command)
	o.output.flag(command, "output", "o", "how to write the outcome")
	o.client.addFlags(command)
}

// check refuses flags that contradict each other.
func (o *changeOptions) check() error {
	if o.dryRun && o.wait.limit > 0 {
		return usagef("--dry-run changes nothing, so that there is nothing to --wait for; leave one of them out")
	}
	return nil
}

// finish writes what became of a change and, with --wait, waits until it is in
// force everywhere.
func (o *changeOptions) finish(ctx context.Context, to streams, asked *client, applied *corsgatev1.ApplyResponse, err error) error {
	if lost, ok := errors.AsType[*lostError](err); ok && !o.dryRun {
		return fmt.Errorf("%w\nwhether the change was made is not known: look with corsgate history, or make it again, which does no harm", lost)
	}
	if err != nil {
		return o.refused(to, err)
	}
	report := &changeReport{
		Applied: true, Changed: applied.GetChanged(), DryRun: o.dryRun, Revision: applied.GetRevision(),
		Changes: changeItems(applied.GetChanges()), Problems: problemsOf(applied.GetFindings()), Diff: applied.GetDiff().AsMap(),
	}
	if len(report.Diff) == 0 {
		report.Diff = nil
	}
	structured := o.output.value != outputText
	if !structured {
		if err := o.writeText(to, applied); err != nil {
			return err
		}
	}
	var waitErr error
	if o.wait.limit > 0 {
		report.Waiting, waitErr = o.wait.run(ctx, to, asked, applied.GetRevision())
		if report.Waiting == nil && waitErr != nil {
			return waitErr
		}
	}
	if structured {
		if err := writeStructured(to.out, o.output.value, report); err != nil {
			return err
		}
		return waitErr
	}
	if report.Waiting != nil && waitErr == nil {
		if _, err := fmt.Fprintf(to.out, "in force on %s after %s\n", count(len(report.Waiting.Replicas), "replica", "replicas"), report.Waiting.took.Round(time.Millisecond)); err != nil {
			return fmt.Errorf("writing the outcome: %w", err)
		}
	}
	return waitErr
}

// refused writes what is wrong with a change for programs, and leaves it to the
// end of the program to say it to people.
func (o *changeOptions) refused(to streams, err error) error {
	if o.output.value == outputText {
		return err
	}
	report := &changeReport{DryRun: o.dryRun, Changes: []changeItem{}, Problems: policy.Problems{}}
	quiet := errInvalid
	if conflict, ok := errors.AsType[*conflictError](err); ok {
		report.Revision, report.Conflict, quiet = conflict.conflict.GetRevision(), documentItems(conflict.conflict.GetDocuments()), errConflict
	} else if refused, ok := errors.AsType[*refusedError](err); ok && len(refused.problems) > 0 {
		report.Problems = refused.problems
	} else {
		return err
	}
	if err := writeStructured(to.out, o.output.value, report); err != nil {
		return err
	}
	return quiet
}

// writeText writes a change for people: what is odd, what became of each
// document, and the revision.
func (o *changeOptions) writeText(to streams, applied *corsgatev1.ApplyResponse) error {
	for _, problem := range problemsOf(applied.GetFindings()) {
		sayf(to.err, "%s\n", sanitize(problem.Error()))
	}
	var b strings.Builder
	for _, change := range applied.GetChanges() {
		word := changeWord(change.GetChange())
		if o.dryRun {
			word = "would " + strings.TrimSuffix(word, "d")
		}
		fmt.Fprintf(&b, "%s %s\n", word, describeChange(change))
	}
	switch {
	case o.dryRun && applied.GetChanged():
		fmt.Fprintf(&b, "\n%s\nnothing was changed: this was a dry run on revision %d\n", indented(applied.GetDiffText()), applied.GetRevision())
	case !applied.GetChanged():
		fmt.Fprintf(&b, "nothing changed: revision %d is like that already\n", applied.GetRevision())
	default:
		fmt.Fprintf(&b, "revision %d\n", applied.GetRevision())
	}
	if _, err := fmt.Fprint(to.out, b.String()); err != nil {
		return fmt.Errorf("writing the outcome: %w", err)
	}
	return nil
}

// indented returns what a change means, as a part of something longer.
func indented(text string) string {
	return strings.TrimRight(sanitize(text), "\n") + "\n"
}
