package main

import (
	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// rollbackOptions is how `rollback` was called.
type rollbackOptions struct {
	changeOptions

	to int64
}

func newRollback(to streams) *cobra.Command {
	options := rollbackOptions{changeOptions: newChangeOptions()}
	command := &cobra.Command{
		Use:   "rollback REVISION",
		Short: "Go back to an earlier revision of the central store",
		Long: `rollback makes all documents of the central store what they were at a revision. It
is a change like others, with a revision of its own, so that it can be undone in the
same way, and nothing of the history is lost.

Exit codes are those of apply.`,
		Example: `  corsgate history
  corsgate rollback 12 --dry-run
  corsgate rollback 12 --reason "the new rules broke the checkout" --wait`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("rollback takes one revision, as corsgate history lists them, as in: corsgate rollback 12")
			}
			var err error
			if options.to, err = parseRevision(args[0]); err != nil || options.to == 0 {
				return usagef("%q is not a revision; write a number, as corsgate history lists them", args[0])
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command, to) },
	}
	command.ValidArgsFunction = cobra.NoFileCompletions
	command.Flags().SortFlags = false
	options.addFlags(command)
	return command
}

func (o *rollbackOptions) run(command *cobra.Command, to streams) error {
	if err := o.check(); err != nil {
		return err
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	rolled, err := ask(command.Context(), asked, asked.policies.Rollback, &corsgatev1.RollbackRequest{
		Revision: o.to, DryRun: o.dryRun, Reason: o.reason.value, ExpectedRevision: o.expected.given(),
	})
	return o.finish(command.Context(), to, asked, rolled.GetApplied(), err)
}
