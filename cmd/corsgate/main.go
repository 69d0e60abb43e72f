// Command corsgate decides CORS for every service behind Envoy.
package main

import (
	"context"
	"os"
)

// version is the release that this is. The linker sets it
// (-ldflags "-X main.version=v1.2.3"); without, what Go recorded stands.
var version string

func main() {
	os.Exit(execute(context.Background(), streams{out: os.Stdout, err: os.Stderr}, os.Args[1:]))
}
