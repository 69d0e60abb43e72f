package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	defaultHistory = 20
	// historyPage is how many changes are asked for at once.
	historyPage = 200
	// textsPage is how many where their texts come along.
	textsPage = 20
	// fewChanges is how many documents of one change a table names.
	fewChanges = 4
)

// historyOptions is how `history` was called.
type historyOptions struct {
	client    clientSettings
	namespace namespaceFlag
	limit     int
	before    revision
	diff      bool
	output    choice
}

// historyReport is the JSON of `history`. Fields are added to it, and none changes
// its meaning.
type historyReport struct {
	Entries []entryItem `json:"entries"`
	// More says that there are older ones.
	More bool `json:"more"`
}

// entryItem is one change.
type entryItem struct {
	Revision     int64        `json:"revision"`
	Time         string       `json:"time"`
	Author       string       `json:"author,omitempty"`
	Reason       string       `json:"reason,omitempty"`
	RolledBackTo int64        `json:"rolledBackTo,omitempty"`
	Changes      []changeItem `json:"changes"`
}

func newEntryItem(entry *corsgatev1.HistoryEntry) entryItem {
	return entryItem{
		Revision: entry.GetRevision(), Time: stamp(entry.GetTime()), Author: entry.GetAuthor(), Reason: entry.GetReason(),
		RolledBackTo: entry.GetRolledBackTo(), Changes: changeItems(entry.GetChanges()),
	}
}

func newHistory(to streams) *cobra.Command {
	options := historyOptions{
		client: newClientSettings(), limit: defaultHistory,
		output: newChoice(outputTable, outputTable, outputJSON, outputYAML),
	}
	command := &cobra.Command{
		Use:   "history [KIND NAME]",
		Short: "Show who changed what in the central store, when and why",
		Long: `history lists the changes of the central store, the newest first, or those of one
document. With --diff, it shows what was written before and after, as a unified
diff; with -o json or yaml, --diff adds the whole texts.`,
		Example: `  corsgate history
  corsgate history policy shop/storefront --diff
  corsgate history --limit 0 -o json | jq '.entries[] | select(.author == "ci")'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return usagef("history takes a kind and a name, or nothing, as in: corsgate history policy shop/storefront")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error { return options.run(command, to, args) },
	}
	command.ValidArgsFunction = completeDocuments(&options.client)
	flags := command.Flags()
	flags.SortFlags = false
	options.namespace.addFlag(command, "the `namespace` of the document")
	flags.IntVar(&options.limit, "limit", options.limit, "how many changes to show at the most; 0 for all")
	flags.Var(&options.before, "before", "only changes before this `revision`")
	flags.BoolVar(&options.diff, "diff", false, "show what was written before and after")
	options.output.flag(command, "output", "o", "how to write it")
	options.client.addFlags(command)
	return command
}

func (o *historyOptions) run(command *cobra.Command, to streams, args []string) error {
	if o.limit < 0 {
		return usagef("--limit is %d; it must be 1 or more, or 0 for all", o.limit)
	}
	request := &corsgatev1.HistoryRequest{BeforeRevision: o.before.value, Texts: o.diff}
	if len(args) > 0 {
		kind, err := parseKind(args[0])
		if err != nil {
			return err
		}
		if request.Ref, err = parseRef(kind, args[1], o.namespace.given(command)); err != nil {
			return err
		}
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	entries, more, err := o.fetch(command.Context(), asked, request)
	if err != nil {
		return err
	}
	if err := o.write(to, request.GetRef(), entries, more); err != nil {
		return err
	}
	if more && o.output.value == outputTable {
		sayf(to.err, "there are older changes; see them with --before %d\n", entries[len(entries)-1].GetRevision())
	}
	return nil
}

// fetch reads as much of the history as is wanted, a page at a time.
func (o *historyOptions) fetch(ctx context.Context, asked *client, request *corsgatev1.HistoryRequest) (entries []*corsgatev1.HistoryEntry, more bool, err error) {
	page := historyPage
	if o.diff {
		page = textsPage
	}
	for {
		if o.limit > 0 {
			page = min(page, o.limit-len(entries))
		}
		request.Limit = int32(page)
		answer, err := ask(ctx, asked, asked.policies.History, request)
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, answer.GetEntries()...)
		if !answer.GetMore() || len(answer.GetEntries()) == 0 || o.limit > 0 && len(entries) >= o.limit {
			return entries, answer.GetMore(), nil
		}
		request.BeforeRevision = entries[len(entries)-1].GetRevision()
	}
}

func (o *historyOptions) write(to streams, ref *corsgatev1.DocumentRef, entries []*corsgatev1.HistoryEntry, more bool) error {
	if o.output.value != outputTable {
		report := historyReport{Entries: make([]entryItem, len(entries)), More: more}
		for i, entry := range entries {
			report.Entries[i] = newEntryItem(entry)
		}
		return writeStructured(to.out, o.output.value, &report)
	}
	switch {
	case len(entries) == 0 && ref != nil:
		sayf(to.err, "there are no changes of %s\n", refName(ref))
		return nil
	case len(entries) == 0:
		sayf(to.err, "there are no changes yet\n")
		return nil
	case o.diff:
		return writeHistoryDiff(to.out, entries, time.Now())
	}
	return writeHistoryTable(to.out, entries, time.Now())
}

// writeHistoryTable writes a line for each document that changed, and those of one
// change beneath each other.
func writeHistoryTable(to io.Writer, entries []*corsgatev1.HistoryEntry, now time.Time) error {
	shown := table{heads: []string{"REVISION", "WHEN", "WHO", "WHAT", "WHY"}, right: []int{0}}
	for _, entry := range entries {
		what := changeLines(entry)
		shown.add(strconv.FormatInt(entry.GetRevision(), 10), ago(now, entry.GetTime()), orNone(cell(entry.GetAuthor(), whoWidth)),
			what[0], orNone(cell(entry.GetReason(), whyWidth)))
		for _, more := range what[1:] {
			shown.add("", "", "", more, "")
		}
	}
	return shown.write(to)
}

// changeLines says what a change did, a line for each of its first documents.
func changeLines(entry *corsgatev1.HistoryEntry) []string {
	var lines []string
	if back := entry.GetRolledBackTo(); back > 0 {
		lines = append(lines, "back to revision "+strconv.FormatInt(back, 10))
	}
	changes := entry.GetChanges()
	for i, change := range changes {
		if i == fewChanges && len(changes) > fewChanges+1 {
			lines = append(lines, "and "+thousands(int64(len(changes)-fewChanges))+" other documents")
			break
		}
		lines = append(lines, cell(changeWord(change.GetChange())+" "+describeChange(change), whatWidth))
	}
	if len(lines) == 0 {
		return []string{none}
	}
	return lines
}

// writeHistoryDiff writes each change with what was written before and after.
func writeHistoryDiff(to io.Writer, entries []*corsgatev1.HistoryEntry, now time.Time) error {
	for i, entry := range entries {
		if i > 0 {
			if _, err := fmt.Fprintln(to); err != nil {
				return fmt.Errorf("writing the history: %w", err)
			}
		}
		if err := writeEntryDiff(to, entry, now); err != nil {
			return err
		}
	}
	return nil
}

func writeEntryDiff(to io.Writer, entry *corsgatev1.HistoryEntry, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "revision %d by %s at %s (%s)\n", entry.GetRevision(), byWhom(entry.GetAuthor()), stamp(entry.GetTime()), ago(now, entry.GetTime()))
	if back := entry.GetRolledBackTo(); back > 0 {
		fmt.Fprintf(&b, "    back to revision %d\n", back)
	}
	if reason := sanitize(entry.GetReason()); reason != "" {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimSpace(reason), "\n", "\n    "))
	}
	for _, change := range entry.GetChanges() {
		fmt.Fprintf(&b, "\n%s %s\n", changeWord(change.GetChange()), describeChange(change))
		before, after := "before", "after"
		if change.GetChange() == corsgatev1.ChangeKind_CHANGE_KIND_CREATED {
			before = "nothing"
		}
		if change.GetChange() == corsgatev1.ChangeKind_CHANGE_KIND_DELETED {
			after = "nothing"
		}
		b.WriteString(sanitize(unified(before, after, change.GetBefore(), change.GetAfter())))
	}
	if _, err := io.WriteString(to, b.String()); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}
