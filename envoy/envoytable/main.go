// Command envoytable runs the end-to-end tests on each supported Envoy and
// prints which group of tests passes on which, as the table in docs/envoy.md.
//
//	go run ./envoytable                 # all versions
//	go run ./envoytable 1.36.4 1.40.0   # these
//
// Run it in this module's folder. What fails is shown on the standard error, and
// the exit status is 1 if anything did.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/corsgate/corsgate/envoy/parts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	versions := os.Args[1:]
	if len(versions) == 0 {
		versions = parts.Versions()
	}
	passed, err := run(ctx, versions, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !passed {
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}
