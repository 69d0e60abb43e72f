// Command bench measures what corsgate costs, against servers that do less and
// against goals, and prints one table. Run it in this module's folder:
//
//	go run ./bench                              # all rows, in under ten minutes
//	go run ./bench -only 'check|envoy'          # some of them
//	go run ./bench -write ../docs/performance.md # and keep the table there
//	go run ./bench -growth                      # how cost grows; about ten minutes
//
// The exit status is 0 when all rows were measured, met or not; with -strict it
// is 1 when one is not met. docs/performance.md says how it measures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// options is what the flags say.
type options struct {
	only   *regexp.Regexp
	rounds int
	short  bool
	growth bool
	strict bool
	format string
	write  string
}

// What is measured in how many rounds, where -rounds does not say: growth takes fewer,
// for its charts have many sizes, and what they show is larger than what differs
// between rounds.
const defaultRounds, growthRounds = 5, 3

func readFlags(args []string, to io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(to)
	only := flags.String("only", "", "measure the rows whose names match this `regexp` alone")
	flags.IntVar(&o.rounds, "rounds", defaultRounds, "how often each figure is measured, in turn with the others; with -growth 3 where it is not given")
	flags.BoolVar(&o.short, "short", false, "measure so briefly that only this program is tested, and no figure means anything")
	flags.BoolVar(&o.growth, "growth", false, "measure how cost grows instead; takes about ten minutes")
	flags.BoolVar(&o.strict, "strict", false, "fail if a goal is not met")
	flags.StringVar(&o.format, "o", "text", "`form` of the table: text, markdown or json")
	flags.StringVar(&o.write, "write", "", "replace the table in this `file`, between its markers, as well")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == "rounds" })
	if o.growth && !given {
		o.rounds = growthRounds
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("read -only: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("there is nothing to do with %q", flags.Args())
	case o.rounds < 1:
		return nil, errors.New("-rounds must be 1 or more")
	case o.format != "text" && o.format != "markdown" && o.format != "json":
		return nil, fmt.Errorf("-o is text, markdown or json, not %q", o.format)
	}
	return o, nil
}

// errNotMet is what -strict makes of a goal that is not met.
var errNotMet = errors.New("not all goals are met")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	opts, err := readFlags(args, stderr)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, opts, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if opts.growth {
		return b.grow(ctx, stdout)
	}
	results, failed := b.measure(ctx)
	rep := b.report(ctx, results)
	if err := rep.print(stdout, opts.format); err != nil {
		return errors.Join(failed, err)
	}
	if opts.write != "" && failed == nil {
		if err := replaceTable(opts.write, tableMark, rep.markdown()); err != nil {
			return err
		}
	}
	if failed == nil && opts.strict && !rep.met() {
		return errNotMet
	}
	return failed
}
