package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/spelling"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// getOptions is how `get` was called.
type getOptions struct {
	client    clientSettings
	namespace namespaceFlag
	revision  revision
	output    choice

	kind  string
	names []string
	only  *string // the namespace, if it is given
}

// documentList is the JSON of `get`. Fields are added to it, and none changes its
// meaning.
type documentList struct {
	// Revision is the one that was read.
	Revision  int64          `json:"revision"`
	Documents []documentItem `json:"documents"`
}

// documentItem is a document of the store.
type documentItem struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Revision is the one that changed the document last, Changed and Author when
	// that was and who did it.
	Revision int64  `json:"revision"`
	Changed  string `json:"changed,omitempty"`
	Author   string `json:"author,omitempty"`
	// Origins is how many an origin set holds.
	Origins int64 `json:"origins,omitempty"`
	// Text is the document as it was written. It is absent where none was asked for.
	Text string `json:"text,omitempty"`
}

func documentItems(documents []*corsgatev1.Document) []documentItem {
	items := make([]documentItem, len(documents))
	for i, d := range documents {
		items[i] = documentItem{
			Kind: d.GetRef().GetKind(), Namespace: d.GetRef().GetNamespace(), Name: d.GetRef().GetName(),
			Revision: d.GetRevision(), Changed: stamp(d.GetChanged()), Author: d.GetAuthor(), Origins: d.GetOrigins(), Text: d.GetText(),
		}
	}
	return items
}

func newGet(to streams) *cobra.Command {
	options := getOptions{client: newClientSettings(), output: newChoice(outputTable, outputTable, outputYAML, outputJSON)}
	command := &cobra.Command{
		Use:   "get [KIND [NAME…]]",
		Short: "Show documents of the central store",
		Long: `get lists the documents of the central store that you may see, or those of one
kind, or those that are named. A KIND is policy, originset or guardrail, in the
singular or the plural; a NAME is name or namespace/name.

With -o yaml it prints the documents as they were written, and with -o json who
changed each last and when as well. With --revision, it shows what there was then.`,
		Example: `  corsgate get
  corsgate get policies -n shop
  corsgate get policy shop/storefront -o yaml
  corsgate get -o yaml --revision 12 >as-of-12.yaml`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := options.read(command, args); err != nil {
				return err
			}
			return options.run(command, to)
		},
	}
	command.ValidArgsFunction = completeDocuments(&options.client)
	flags := command.Flags()
	flags.SortFlags = false
	options.namespace.addFlag(command, "only documents of this `namespace`; empty for those without one")
	flags.Var(&options.revision, "revision", "the `revision` to show; the newest if it is not given")
	options.output.flag(command, "output", "o", "how to write it")
	options.client.addFlags(command)
	return command
}

const outputTable = "table"

// read reads the arguments.
func (o *getOptions) read(command *cobra.Command, args []string) error {
	o.only = o.namespace.given(command)
	if len(args) == 0 {
		return nil
	}
	kind, err := parseKind(args[0])
	o.kind, o.names = kind, args[1:]
	return err
}

func (o *getOptions) run(command *cobra.Command, to streams) error {
	refs, err := parseRefs(o.kind, o.names, o.only)
	if err != nil {
		return err
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	list, err := o.fetch(command.Context(), asked, refs)
	if err != nil {
		return err
	}
	switch o.output.value {
	case outputYAML:
		return writeDocuments(to.out, list.GetDocuments())
	case outputJSON:
		return writeJSON(to.out, &documentList{Revision: list.GetRevision(), Documents: documentItems(list.GetDocuments())})
	}
	if len(list.GetDocuments()) == 0 {
		sayf(to.err, "%s\n", o.nothing(list.GetRevision()))
		return nil
	}
	return writeDocumentTable(to.out, list.GetDocuments(), time.Now())
}

// nothing says that there is nothing to show.
func (o *getOptions) nothing(revision int64) string {
	if revision == 0 {
		return "the store is empty; put policies into it, as in: corsgate apply -f policies/"
	}
	what := "no document"
	if o.kind != "" {
		what = "no " + o.kind
	}
	if o.only != nil && *o.only != "" {
		what += " in the namespace " + *o.only
	} else if o.only != nil {
		what += " without a namespace"
	}
	return fmt.Sprintf("there is %s that you may see at revision %d", what, revision)
}

// fetch gets what is asked for. The texts of all documents may be large, so that
// they come only where they are shown.
func (o *getOptions) fetch(ctx context.Context, asked *client, refs []*corsgatev1.DocumentRef) (*corsgatev1.GetResponse, error) {
	named := len(refs) > 0
	if o.output.value == outputTable && !o.revision.set {
		listed, err := ask(ctx, asked, asked.policies.List, &corsgatev1.ListRequest{Kind: o.kind, Namespace: o.only})
		if err != nil {
			return nil, err
		}
		documents := listed.GetDocuments()
		if named {
			if documents, err = pick(documents, refs); err != nil {
				return nil, err
			}
		}
		return &corsgatev1.GetResponse{Revision: listed.GetRevision(), Documents: documents}, nil
	}
	if named {
		return ask(ctx, asked, asked.policies.Get, &corsgatev1.GetRequest{Refs: refs, Revision: o.revision.value})
	}
	return fetchAll(ctx, asked, o.revision.value, func(ref *corsgatev1.DocumentRef) bool {
		return (o.kind == "" || ref.GetKind() == o.kind) && (o.only == nil || ref.GetNamespace() == *o.only)
	})
}

// pick returns the documents that are named, in the order of their names.
func pick(documents []*corsgatev1.Document, refs []*corsgatev1.DocumentRef) ([]*corsgatev1.Document, error) {
	picked := make([]*corsgatev1.Document, 0, len(refs))
	for _, ref := range refs {
		i := slices.IndexFunc(documents, func(d *corsgatev1.Document) bool { return fullName(d.GetRef()) == fullName(ref) })
		if i < 0 {
			var known []string
			for _, document := range documents {
				known = append(known, fullName(document.GetRef()))
			}
			mend := "corsgate get lists what there is"
			if near := spelling.ClosestName(fullName(ref), known); near != "" {
				mend = "did you mean " + near + "?"
			}
			return nil, fmt.Errorf("there is no %s; %s", refName(ref), mend)
		}
		picked = append(picked, documents[i])
	}
	return picked, nil
}

// writeDocuments writes documents as they were written, one after the other in a
// stream.
func writeDocuments(to io.Writer, documents []*corsgatev1.Document) error {
	for i, document := range documents {
		text := document.GetText()
		if i > 0 && !strings.HasPrefix(text, "---") {
			text = "---\n" + text
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if _, err := io.WriteString(to, text); err != nil {
			return fmt.Errorf("writing documents: %w", err)
		}
	}
	return nil
}

func writeDocumentTable(to io.Writer, documents []*corsgatev1.Document, now time.Time) error {
	shown := table{heads: []string{"KIND", "NAME", "REVISION", "CHANGED", "BY", "ORIGINS"}, right: []int{2, 5}}
	for _, d := range documents {
		origins := ""
		if d.GetRef().GetKind() == kindOriginSet {
			origins = thousands(d.GetOrigins())
		}
		shown.add(d.GetRef().GetKind(), sanitize(fullName(d.GetRef())), revisionText(d.GetRevision()),
			ago(now, d.GetChanged()), orNone(cell(d.GetAuthor(), whoWidth)), origins)
	}
	return shown.write(to)
}
