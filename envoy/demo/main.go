// Command demo shows corsgate at work: a real Envoy, a real corsgate, a small
// API that sends wrong CORS headers, and two web pages, one of an allowed origin
// and one of a foreign one, that a real Chromium opens.
//
//	demo                     start everything, print the table, stay up
//	demo --once              the same, and end after the table
//	demo --against URL       the table alone, against a stack that is up
//	demo --compose           docker compose up, the table against it, and down
//	demo api | demo web      one part alone, for a container
//
// It ends with status 0 only if every row of the table is as expected.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, screen{file: os.Stdout}, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	once      bool
	compose   bool
	against   string
	accessLog string
	listen    string
	at        addresses
}

func run(ctx context.Context, to screen, args []string) error {
	mode := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		mode, args = args[0], args[1:]
	}
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	switch mode {
	case "":
	case "api", "web":
		return runPart(ctx, to, mode, opts)
	default:
		return fmt.Errorf("unknown part %q: it is api or web", mode)
	}
	switch {
	case opts.compose:
		return runCompose(ctx, to, opts)
	case opts.against != "":
		return runAgainst(ctx, to, opts)
	default:
		return runDemo(ctx, to, opts)
	}
}

func parseOptions(args []string) (options, error) {
	own := make(map[int]int)
	for _, port := range []int{apiPort, webPort, corsgateAdmin, envoyAdminPort} {
		own[port] = port
	}
	opts := options{at: addressesFor(own)}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.BoolVar(&opts.once, "once", os.Getenv("DEMO_ONCE") == "1", "end after the table; DEMO_ONCE=1 says the same")
	flags.BoolVar(&opts.compose, "compose", false, "do it with Docker: compose up, the table, and down")
	flags.StringVar(&opts.against, "against", "", "print the table for the stack whose Envoy has this `address`, such as "+opts.at.API)
	flags.StringVar(&opts.at.Shop, "shop", opts.at.Shop, "the `address` of the allowed page")
	flags.StringVar(&opts.at.Evil, "evil", opts.at.Evil, "the `address` of the foreign page")
	flags.StringVar(&opts.at.API, "api", opts.at.API, "web: the `address` of Envoy that the pages call")
	flags.StringVar(&opts.accessLog, "access-log", "", "with --against: a `file` with Envoy's access log, for corsgate's decisions")
	flags.StringVar(&opts.listen, "listen", "", "api, web: the `address` to listen on")
	if err := flags.Parse(args); err != nil {
		return opts, err //nolint:wrapcheck // flag has said it all, on stderr.
	}
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if opts.against != "" {
		opts.at.API = opts.against
	}
	return opts, nil
}
