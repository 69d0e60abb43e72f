package main

import (
	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// deleteOptions is how `delete` was called.
type deleteOptions struct {
	changeOptions

	namespace namespaceFlag
}

func newDelete(to streams) *cobra.Command {
	options := deleteOptions{changeOptions: newChangeOptions()}
	command := &cobra.Command{
		Use:   "delete KIND NAME…",
		Short: "Remove documents from the central store",
		Long: `delete removes documents from the central store: all that are named, or none if
one does not exist or another document needs it. What they said stays in the
history, and rollback brings it back.

Exit codes are those of apply.`,
		Example: `  corsgate delete policy shop/storefront --reason "the service is gone"
  corsgate delete originset partners resellers -n shop --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 { //nolint:mnd // a kind and a name
				return usagef("delete takes a kind and names, as in: corsgate delete policy shop/storefront")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error { return options.run(command, to, args) },
	}
	command.ValidArgsFunction = completeDocuments(&options.client)
	command.Flags().SortFlags = false
	options.namespace.addFlag(command, "the `namespace` of the documents")
	options.addFlags(command)
	return command
}

func (o *deleteOptions) run(command *cobra.Command, to streams, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	kind, err := parseKind(args[0])
	if err != nil {
		return err
	}
	refs, err := parseRefs(kind, args[1:], o.namespace.given(command))
	if err != nil {
		return err
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	deleted, err := ask(command.Context(), asked, asked.policies.Delete, &corsgatev1.DeleteRequest{
		Refs: refs, DryRun: o.dryRun, Reason: o.reason.value, ExpectedRevision: o.expected.given(),
	})
	return o.finish(command.Context(), to, asked, deleted.GetApplied(), err)
}
