package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// diffServerOptions is what `diff` needs to compare with a central store.
type diffServerOptions struct {
	client   clientSettings
	from, to revision
	prune    bool
}

func (o *diffServerOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(&o.from, "from-revision", "the `revision` of the central store to take for OLD; the newest if it is not given")
	flags.Var(&o.to, "to-revision", "the `revision` of the central store to take for NEW")
	flags.BoolVar(&o.prune, "prune", false, "take NEW for all there will be, as apply --prune would; else what it does not name stays")
	o.client.addFlags(command)
	flags.Lookup("server").DefValue = "" // two paths need none
}

// asked says whether a server is to be compared with: it is where two paths are
// not.
func (o *diffServerOptions) asked(args []string) bool { return len(args) < 2 }

// given says whether anything names a server to compare with.
func (o *diffServerOptions) given(command *cobra.Command) bool {
	return command.Flags().Changed("server") || os.Getenv(variableName("server")) != "" || o.from.set || o.to.set
}

// check refuses what cannot be compared.
func (o *diffServerOptions) check(command *cobra.Command, args []string) error {
	server := command.Flags().Changed("server")
	switch {
	case len(args) == 2 && (server || o.from.set || o.to.set || o.prune):
		return usagef("OLD and NEW are both paths, so that no server is needed; leave out OLD, to compare with what is in the central store")
	case len(args) == 1 && o.to.set:
		return usagef("--to-revision and %s are both given; which is NEW?", args[0])
	case len(args) == 0 && !o.to.set:
		return usagef("there is no NEW; name policies, as in: corsgate diff --server URL policies; or a revision with --to-revision")
	case len(args) == 0 && o.prune:
		return usagef("--prune is of policies to be applied, and a revision is a whole already; leave it out")
	}
	return nil
}

// sides reads both sides: a revision of the store, and what applying the path
// would make of it, or another revision.
func (o *diffServerOptions) sides(command *cobra.Command, args []string, options policy.Options) (before, after diff.Side, problems policy.Problems, err error) {
	ctx := command.Context()
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return before, after, nil, err
	}
	defer asked.close()
	stored, err := storedDocuments(ctx, asked, o.from.value)
	if err != nil {
		return before, after, nil, err
	}
	before, problemsBefore := compileSide(stored, nil, options)
	if o.to.set {
		other, err := storedDocuments(ctx, asked, o.to.value)
		if err != nil {
			return before, after, nil, err
		}
		after, problems = compileSide(other, nil, options)
		return before, after, slices.Concat(problemsBefore, problems), nil
	}
	files, found, err := readDocuments(ctx, args[0])
	if err != nil {
		return before, after, nil, err
	}
	if !o.prune {
		files = overlay(stored, files)
	}
	after, problems = compileSide(files, found, options)
	return before, after, slices.Concat(problemsBefore, problems), nil
}

// storedDocuments reads all documents of a revision.
func storedDocuments(ctx context.Context, asked *client, at int64) ([]policy.Document, error) {
	got, err := fetchAll(ctx, asked, at, everything)
	if err != nil {
		return nil, err
	}
	var documents []policy.Document
	for _, found := range got.GetDocuments() {
		read, problems := document.Read(refName(found.GetRef()), []byte(found.GetText()))
		if len(problems.Errors()) > 0 {
			return nil, fmt.Errorf("the server's text of %s cannot be read: %w", refName(found.GetRef()), problems.Errors())
		}
		documents = append(documents, read...)
	}
	return documents, nil
}

// overlay returns the stored documents, those of the files in place of their
// namesakes.
func overlay(stored, files []policy.Document) []policy.Document {
	replaced := map[string]bool{}
	for i := range files {
		replaced[documentName(&files[i])] = true
	}
	var documents []policy.Document
	for i := range stored {
		if !replaced[documentName(&stored[i])] {
			documents = append(documents, stored[i])
		}
	}
	return append(documents, files...)
}

// documentName returns kind, namespace and name of a document.
func documentName(d *policy.Document) string {
	named, ok := d.Message.(interface {
		GetKind() string
		GetMetadata() *corsgatev1.Metadata
	})
	if !ok {
		return ""
	}
	return refName(&corsgatev1.DocumentRef{
		Kind: named.GetKind(), Namespace: named.GetMetadata().GetNamespace(), Name: named.GetMetadata().GetName(),
	})
}

// compileSide makes a side of documents. Only errors are among the problems.
func compileSide(documents []policy.Document, found policy.Problems, options policy.Options) (diff.Side, policy.Problems) {
	set, problems := policy.Compile(documents, options)
	problems = slices.Concat(found, problems).Errors()
	problems.Sort()
	return diff.Side{Set: set, Documents: documents, Options: options}, problems
}
