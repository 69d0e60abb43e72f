package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// originsOptions is how `origins add` or `origins remove` was called.
type originsOptions struct {
	changeOptions

	namespace namespaceFlag
	file      text
}

func newOrigins(to streams) *cobra.Command {
	command := &cobra.Command{
		Use:   "origins",
		Short: "Add, remove and list the origins of a set in the central store",
		Long: `origins adds and removes single origins of a CorsOriginSet in the central store,
however large the set is, and lists them. A set of a million origins is not sent,
kept or read anew for one that is added.`,
		Example: `  corsgate origins add shop/partners https://new.partner.example --reason "contract 214"
  corsgate origins remove shop/partners -f gone.txt
  corsgate origins list shop/partners | wc -l`,
		Args: noSubcommand,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		newOriginsEdit(to, "add", "Add origins to a set", "One that is in the set already changes nothing."),
		newOriginsEdit(to, "remove", "Remove origins from a set", "One that is not in the set changes nothing."),
		newOriginsList(to),
	)
	return command
}

// noSubcommand refuses words where a command has only subcommands.
func noSubcommand(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	known := map[string]string{}
	for _, sub := range command.Commands() {
		known[sub.Name()] = ""
	}
	return usagef("%s has no command %q; %s", command.Name(), args[0], suggest(args[0], "", known, command.CommandPath()+" --help lists what it has"))
}

func newOriginsEdit(to streams, verb, short, note string) *cobra.Command {
	options := originsOptions{changeOptions: newChangeOptions()}
	command := &cobra.Command{
		Use:   verb + " SET [ORIGIN…]",
		Short: short,
		Long: verb + ` changes single origins of a set in the central store, as one change: all of
them, or none if one is wrong. ` + note + `
SET is name or namespace/name.

With -f, origins are read from a file or, for -, from the standard input, one a
line; empty lines and those that begin with # do not count.

Exit codes are those of apply.`,
		Example: `  corsgate origins ` + verb + ` shop/partners https://a.partner.example https://b.partner.example
  corsgate origins ` + verb + ` partners -n shop -f origins.txt --reason "contract 214" --wait`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no origin set given; name one, as in: corsgate origins %s shop/partners https://a.partner.example", verb)
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error { return options.run(command, to, verb, args) },
	}
	command.ValidArgsFunction = completeSets(&options.client)
	flags := command.Flags()
	flags.SortFlags = false
	flags.VarP(&options.file, "filename", "f", "`file` with origins, one a line, or -")
	options.namespace.addFlag(command, "the `namespace` of the set")
	options.addFlags(command)
	return command
}

func (o *originsOptions) run(command *cobra.Command, to streams, verb string, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	ref, err := parseRef(kindOriginSet, args[0], o.namespace.given(command))
	if err != nil {
		return err
	}
	origins, err := o.read(args[1:], command.InOrStdin())
	if err != nil {
		return o.refused(to, err)
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	edit := &corsgatev1.OriginEdit{Namespace: ref.GetNamespace(), Name: ref.GetName(), Add: origins}
	if verb == "remove" {
		edit.Add, edit.Remove = nil, origins
	}
	applied, err := ask(command.Context(), asked, asked.policies.Apply, &corsgatev1.ApplyRequest{
		OriginEdits: []*corsgatev1.OriginEdit{edit}, DryRun: o.dryRun, Reason: o.reason.value, ExpectedRevision: o.expected.given(),
	})
	return o.finish(command.Context(), to, asked, applied, err)
}

// read returns the origins of the command line and of the file. What is none is
// found here, where it is known in which line it stands.
func (o *originsOptions) read(given []string, in io.Reader) ([]string, error) {
	lines := slices.Repeat([]int{0}, len(given)) // zero is the command line
	origins := slices.Clone(given)
	if o.file.value != "" {
		read, at, err := readOrigins(o.file.value, in)
		if err != nil {
			return nil, err
		}
		origins, lines = append(origins, read...), append(lines, at...)
	}
	if len(origins) == 0 {
		return nil, usagef("no origins given; write them behind the set, or name a file with -f")
	}
	problems := checkOrigins(origins)
	for i := range problems {
		p := &problems[i]
		at := lines[min(len(lines), max(1, p.Position.Line))-1]
		p.Position, p.Field = policy.Position{}, ""
		if at > 0 {
			p.Position = policy.Position{File: inputName(o.file.value), Line: at}
		}
	}
	if len(problems) > 0 {
		return nil, &refusedError{problems: problems}
	}
	return origins, nil
}

// inputName is what findings call a path.
func inputName(path string) string {
	if path == standardInput {
		return standardInputName
	}
	return path
}

// checkOrigins returns what is wrong with origins. Their lines are their places
// in the list, from one.
func checkOrigins(origins []string) policy.Problems {
	list := &corsgatev1.CorsOriginSet{
		ApiVersion: "corsgate.dev/v1", Kind: kindOriginSet, Metadata: &corsgatev1.Metadata{Name: "set"},
		Spec: &corsgatev1.CorsOriginSetSpec{Origins: origins},
	}
	places := &policy.Place{Items: make([]policy.Place, len(origins))}
	for i := range places.Items {
		places.Items[i].Line = int32(i) + 1
	}
	root := &policy.Place{Fields: map[string]*policy.Place{"spec": {Fields: map[string]*policy.Place{"origins": places}}}}
	_, problems := policy.Compile([]policy.Document{{Message: list, Root: root}}, policy.Options{})
	return problems.Errors()
}

// readOrigins reads origins, one a line, and the numbers of their lines.
func readOrigins(path string, in io.Reader) (origins []string, lines []int, err error) {
	if path != standardInput {
		file, err := os.Open(path) //nolint:gosec // naming this file is what the flag is for
		if err != nil {
			return nil, nil, fmt.Errorf("the file %s cannot be read (%w); name a file that this user may read", path, innermost(err))
		}
		defer file.Close()
		in = file
	}
	scanner := bufio.NewScanner(in)
	line := 1
	for ; scanner.Scan(); line++ {
		text := strings.TrimSpace(scanner.Text())
		if text != "" && !strings.HasPrefix(text, "#") {
			origins, lines = append(origins, text), append(lines, line)
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, nil, fmt.Errorf("line %d of %s is longer than any origin; write one origin a line", line, inputName(path))
	case err != nil:
		return nil, nil, fmt.Errorf("reading %s: %w", inputName(path), innermost(err))
	}
	return origins, lines, nil
}

// originsListOptions is how `origins list` was called.
type originsListOptions struct {
	client    clientSettings
	namespace namespaceFlag
	revision  revision
	output    choice
}

// originList is the JSON of `origins list`.
type originList struct {
	Revision  int64    `json:"revision"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Origins   []string `json:"origins"`
}

func newOriginsList(to streams) *cobra.Command {
	options := originsListOptions{client: newClientSettings(), output: newChoice(outputText, outputText, outputJSON, outputYAML)}
	command := &cobra.Command{
		Use:   "list SET",
		Short: "List the origins of a set",
		Long:  `list writes the origins of a set in the central store, one a line.`,
		Example: `  corsgate origins list shop/partners
  corsgate origins list shop/partners | grep -c '\.example$'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("list takes one origin set, as in: corsgate origins list shop/partners")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error { return options.run(command, to, args[0]) },
	}
	command.ValidArgsFunction = completeSets(&options.client)
	flags := command.Flags()
	flags.SortFlags = false
	options.namespace.addFlag(command, "the `namespace` of the set")
	flags.Var(&options.revision, "revision", "the `revision` to show; the newest if it is not given")
	options.output.flag(command, "output", "o", "how to write it")
	options.client.addFlags(command)
	return command
}

func (o *originsListOptions) run(command *cobra.Command, to streams, name string) error {
	ref, err := parseRef(kindOriginSet, name, o.namespace.given(command))
	if err != nil {
		return err
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	list, err := fetchOrigins(command.Context(), asked, ref, o.revision.value)
	if err != nil {
		return err
	}
	if o.output.value != outputText {
		return writeStructured(to.out, o.output.value, list)
	}
	out := bufio.NewWriter(to.out)
	for _, origin := range list.Origins {
		_, _ = out.WriteString(origin + "\n") // Flush returns its error
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the origins: %w", err)
	}
	return nil
}

// fetchOrigins reads a set and what it lists.
func fetchOrigins(ctx context.Context, asked *client, ref *corsgatev1.DocumentRef, at int64) (*originList, error) {
	got, err := ask(ctx, asked, asked.policies.Get, &corsgatev1.GetRequest{Refs: []*corsgatev1.DocumentRef{ref}, Revision: at})
	if err != nil {
		return nil, err
	}
	list := &originList{Revision: got.GetRevision(), Namespace: ref.GetNamespace(), Name: ref.GetName(), Origins: []string{}}
	for _, found := range got.GetDocuments() {
		documents, problems := document.Read(refName(found.GetRef()), []byte(found.GetText()))
		if len(problems.Errors()) > 0 {
			return nil, fmt.Errorf("the server's text of %s cannot be read: %w", refName(ref), problems.Errors())
		}
		for _, one := range documents {
			if set, ok := one.Message.(*corsgatev1.CorsOriginSet); ok {
				list.Origins = append(list.Origins, set.GetSpec().GetOrigins()...)
			}
		}
	}
	return list, nil
}
