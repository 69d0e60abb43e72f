package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/spelling"
)

// What a command's exit code means.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitInvalid  = 3
	exitFailed   = 4
	exitGated    = 5
	exitConflict = 6
	exitLagging  = 7
)

// errInvalid is of policies that are invalid, where the command has said so.
var errInvalid = errors.New("the policies are invalid")

// errFailed is of policies that do not do what their tests expect, where the
// command has said so.
var errFailed = errors.New("the policies fail their tests")

// errConflict is of a change that somebody else was ahead of, where the command
// has said so.
var errConflict = errors.New("somebody else has changed the policies")

// usageError is of a command that was not called as it must be.
type usageError struct{ err error }

// Error returns what is wrong with the call.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }

// report writes what went wrong, for people, and returns the exit code.
func report(to io.Writer, command *cobra.Command, err error) int {
	var usage *usageError
	var problems policy.Problems
	var refused *refusedError
	var conflict *conflictError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInvalid):
		return exitInvalid
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.Is(err, errGated):
		return exitGated
	case errors.Is(err, errConflict):
		return exitConflict
	case errors.Is(err, errLagging):
		return exitLagging
	case errors.As(err, &conflict):
		writeErrors(to, err)
		return exitConflict
	case errors.As(err, &refused) && len(refused.problems) > 0:
		sayf(to, "%s\ncorsgate: %s; nothing was changed\n", sanitize(refused.Error()), countProblems(refused.problems))
		return exitInvalid
	case errors.As(err, &problems):
		sayf(to, "%s\ncorsgate: %s; nothing is served\n", problems.Error(), countProblems(problems))
		return exitInvalid
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		writeErrors(to, err)
		sayf(to, "Run '%s --help' for how it is used.\n", command.CommandPath())
		return exitUsage
	default:
		writeErrors(to, err)
		return exitFailure
	}
}

// writeErrors writes an error, or several that were joined, one a line.
func writeErrors(to io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			sayf(to, "corsgate: %s\n", line)
		}
	}
}

// flagError says what is wrong with a flag, and which was meant if it is unknown.
func flagError(command *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || len(unknown.GetSpecifiedName()) == 1 {
		return &usageError{err: err}
	}
	known := map[string]string{}
	command.Flags().VisitAll(func(flag *pflag.Flag) { known["--"+flag.Name] = flag.Name })
	name := "--" + unknown.GetSpecifiedName()
	return usagef("there is no flag %s; %s", name, suggest(name, "--", known, command.CommandPath()+" --help lists those that there are"))
}

// sayf writes for people. If it cannot be written, there is nobody left to tell,
// and the exit code still says it.
func sayf(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }

// noArguments refuses arguments where a command takes none.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !command.HasParent() {
		suggestion := ""
		if near := command.SuggestionsFor(args[0]); len(near) > 0 {
			suggestion = fmt.Sprintf("; did you mean %q?", near[0])
		} else if near := closestCommand(command, args[0]); near != "" {
			suggestion = fmt.Sprintf("; did you mean %q?", near)
		}
		return usagef("there is no command %q%s", args[0], suggestion)
	}
	return usagef("%s takes no arguments, and got %q", command.Name(), args[0])
}

// closestCommand returns the command that a mistyped one must have been meant to
// be, or nothing.
func closestCommand(root *cobra.Command, name string) string {
	var names []string
	for _, command := range root.Commands() {
		names = append(names, command.Name())
	}
	return spelling.Closest(name, names)
}

// countProblems says how many problems there are, as "3 errors, 1 warning".
func countProblems(problems policy.Problems) string {
	errs, warnings := len(problems.Errors()), len(problems.Warnings())
	if warnings == 0 {
		return count(errs, "error", "errors")
	}
	return count(errs, "error", "errors") + ", " + count(warnings, "warning", "warnings")
}

// count returns a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
