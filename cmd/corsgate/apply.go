package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/source"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// standardInput is the path that stands for what is piped in, and what findings
	// call it.
	standardInput     = "-"
	standardInputName = "standard input"
	// maxInput is how much of the standard input is read; files have the same
	// limit.
	maxInput = 64 << 20
)

// applyOptions is how `apply` was called.
type applyOptions struct {
	changeOptions

	paths list
	prune bool
	yes   bool
}

func newApply(to streams) *cobra.Command {
	options := applyOptions{changeOptions: newChangeOptions()}
	command := &cobra.Command{
		Use:   "apply -f PATH…",
		Short: "Change policies in the central store",
		Long: `apply puts documents into the central store, new ones and those that replace what
has their kind and name: all of them, or none if anything is wrong. A PATH is a
file, or a folder with all *.yaml, *.yml and *.json files in it and below, or - for
the standard input. What is wrong is reported as by validate.

With --expected-revision, what somebody else has changed after that revision is not
overwritten. With --prune, the store then holds these documents and no others that
you may write; what would go is shown, and removed once you agree, or with --yes.

It exits with 0 if the change was made or there was nothing to change, 3 if the
documents are invalid, 6 if somebody else has changed them, 7 if --wait ended
before all replicas served the revision, and 1 if anything else went wrong.`,
		Example: `  corsgate apply -f policies/ --dry-run
  corsgate apply -f policies/ --reason "let the shop call the new API" --wait
  corsgate apply -f policies/ --prune --yes --reason "release 214"
  corsgate get policy shop/storefront -o yaml | sed s/2h/1h/ | corsgate apply -f -`,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				if command.Flags().Changed("wait") && (&waiting{}).Set(args[0]) == nil {
					return usagef("apply takes no arguments, and got %q; write --wait=%s in one word", args[0], args[0])
				}
				return usagef("apply takes no arguments, and got %q; name files and folders with -f", args[0])
			}
			return noArguments(command, args)
		},
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command, to) },
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.VarP(&options.paths, "filename", "f", "`path` of a file or folder with documents, or -; may be given more than once")
	flags.BoolVar(&options.prune, "prune", false, "remove every other document that you may write")
	flags.BoolVarP(&options.yes, "yes", "y", false, "do not ask before --prune removes documents")
	options.addFlags(command)
	_ = command.MarkFlagFilename("filename", "yaml", "yml", "json") // it fails only for a flag that is not there
	return command
}

func (o *applyOptions) run(command *cobra.Command, to streams) error {
	ctx := command.Context()
	if err := o.check(); err != nil {
		return err
	}
	switch {
	case len(o.paths.values) == 0:
		return usagef("no documents given; name a file or a folder, as in: corsgate apply -f policies/")
	case o.yes && !o.prune:
		return usagef("--yes is for --prune, which is not given")
	case o.prune && !o.dryRun && !o.yes && !o.canAsk(command, to):
		return usagef("--prune removes documents, and there is nobody to ask here; look with --dry-run, then say --yes")
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	files, err := readFiles(ctx, o.paths.values, command.InOrStdin())
	if err != nil {
		return o.refused(to, err)
	}
	request := &corsgatev1.ApplyRequest{
		Files: files, DryRun: o.dryRun, Reason: o.reason.value, Prune: o.prune, ExpectedRevision: o.expected.given(),
	}
	if o.prune && !o.dryRun && !o.yes {
		agreed, err := o.agree(ctx, command.InOrStdin(), to, asked, request)
		if err != nil || !agreed {
			return o.refused(to, err)
		}
	}
	shown := newProgress(to.err)
	shown.since = shown.since.Add(-progressAfter)
	if size := sizeOf(files); size > progressFrom {
		shown.showf("sending %d MiB, and waiting for the server to check it", size>>20)
	}
	applied, err := ask(ctx, asked, asked.policies.Apply, request)
	shown.clear()
	return o.finish(ctx, to, asked, applied, err)
}

// progressFrom is the size of a change that takes long enough to say so.
const progressFrom = 4 << 20

func sizeOf(files []*corsgatev1.SourceText) int {
	size := 0
	for _, file := range files {
		size += len(file.GetText())
	}
	return size
}

// canAsk says whether somebody sits there who can be asked.
func (o *applyOptions) canAsk(command *cobra.Command, to streams) bool {
	return !slices.Contains(o.paths.values, standardInput) && isTerminal(command.InOrStdin()) && isTerminal(to.err)
}

// errNotAgreed is of a change that the user does not want after all.
var errNotAgreed = errors.New("nothing was changed")

// agree shows which documents a change would remove, and asks. What was shown is
// what will be done: where somebody changes one of the documents meanwhile, the
// change fails.
func (o *applyOptions) agree(ctx context.Context, in io.Reader, to streams, asked *client, request *corsgatev1.ApplyRequest) (bool, error) {
	request.DryRun = true
	would, err := ask(ctx, asked, asked.policies.Apply, request)
	request.DryRun = false
	if err != nil {
		return false, err
	}
	var doomed []string
	for _, change := range would.GetChanges() {
		if change.GetChange() == corsgatev1.ChangeKind_CHANGE_KIND_DELETED {
			doomed = append(doomed, refName(change.GetRef()))
		}
	}
	if request.ExpectedRevision == nil {
		revision := would.GetRevision()
		request.ExpectedRevision = &revision
	}
	if len(doomed) == 0 {
		return true, nil
	}
	sayf(to.err, "%s\nRemove %s? [y/N] ", strings.Join(doomed, "\n"), count(len(doomed), "document", "documents"))
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, errNotAgreed
}

// readFiles reads documents by the rules of --policy, and the standard input.
func readFiles(ctx context.Context, paths []string, in io.Reader) ([]*corsgatev1.SourceText, error) {
	var names []string
	var texts []source.Text
	piped := false
	for _, path := range paths {
		if path != standardInput {
			names = append(names, path)
			continue
		}
		if piped {
			return nil, usagef("-f - is given twice, and there is one standard input")
		}
		piped = true
		data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading the standard input: %w", err)
		case len(data) > maxInput:
			return nil, fmt.Errorf("the standard input is larger than %d MiB; apply it in several parts", maxInput>>20)
		case strings.TrimSpace(string(data)) == "":
			return nil, errors.New("the standard input is empty; pipe documents into it, or name a file with -f")
		}
		texts = append(texts, source.Text{Name: standardInputName, Data: data})
	}
	if len(names) > 0 {
		read, problems, err := source.Texts(ctx, names)
		if err != nil {
			return nil, fmt.Errorf("reading documents: %w", err)
		}
		if len(problems.Errors()) > 0 {
			return nil, &refusedError{problems: problems}
		}
		texts = append(read, texts...)
	}
	return sendable(texts)
}

// sendable returns texts as a request holds them, which can hold UTF-8 alone.
func sendable(texts []source.Text) ([]*corsgatev1.SourceText, error) {
	files := make([]*corsgatev1.SourceText, len(texts))
	var problems policy.Problems
	for i, text := range texts {
		if !utf8.Valid(text.Data) {
			_, found := document.Read(text.Name, text.Data)
			problems = append(problems, found...)
		}
		files[i] = &corsgatev1.SourceText{Name: strings.ToValidUTF8(text.Name, "�"), Text: string(text.Data)}
	}
	if len(problems) > 0 {
		return nil, &refusedError{problems: problems}
	}
	return files, nil
}
