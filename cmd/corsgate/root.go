package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// streams are where a command writes: results and pages to one, errors and logs
// to the other.
type streams struct {
	out io.Writer
	err io.Writer
}

// execute runs the command that args name and returns its exit code.
func execute(ctx context.Context, to streams, args []string) int {
	root := newRoot(to) //nolint:contextcheck // commands take theirs from ExecuteContextC
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	return report(to.err, command, err)
}

func newRoot(to streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "corsgate",
		Short: "One CORS policy for every service behind Envoy",
		Long: `corsgate decides CORS once, for every service behind Envoy. Envoy asks it about
each cross-origin request over the external authorization API; it answers from
policies that live in one place, are checked before they are used, and are
replaced while it runs.`,
		Example: `  corsgate validate policies/
  corsgate serve --policy policies/`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetOut(to.out)
	root.SetErr(to.err)
	root.SetFlagErrorFunc(flagError)
	addGroup(root, "Policies and the service:",
		newServe(to), newValidate(to), newTest(to), newDiff(to), newExplain(to), newVersion(to))
	addGroup(root, "The central store:",
		newApply(to), newGet(to), newDelete(to), newOrigins(to), newHistory(to), newRollback(to), newExport(to), newStatus(to), newWatch(to), newToken(to))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// addGroup adds commands that the help lists together.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, command := range commands {
		command.GroupID = title
	}
	root.AddCommand(commands...)
}
