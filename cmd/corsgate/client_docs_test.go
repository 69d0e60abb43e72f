package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command of the central store, every setting of how it is reached and every
// exit code stand in the documents.
func TestCentralStoreIsDocumented(t *testing.T) {
	t.Parallel()
	store, operations := read(t, "../../docs/central-store.md"), read(t, "../../docs/operations.md")
	root := newRoot(streams{io.Discard, io.Discard})
	commands := 0
	for _, command := range root.Commands() {
		if command.GroupID != "The central store:" || command.Name() == "token" { // docs/access.md is about tokens
			continue
		}
		commands++
		if !strings.Contains(store, "`corsgate "+command.Name()) {
			t.Errorf("docs/central-store.md does not mention corsgate %s", command.Name())
		}
		checkHelp(t, command)
	}
	if commands < 9 {
		t.Errorf("there are only %d commands", commands)
	}
	for _, name := range clientSettingNames() {
		if !strings.Contains(store, "`--"+name+"`") || !strings.Contains(store, "`"+variableName(name)+"`") {
			t.Errorf("docs/central-store.md does not mention --%s with its variable", name)
		}
	}
	for code := exitFailure; code <= exitLagging; code++ {
		if !strings.Contains(operations, fmt.Sprintf("%d ", code)) {
			t.Errorf("docs/operations.md does not mention the exit code %d", code)
		}
	}
}

// checkHelp checks that a command and those below it have examples, and fit a
// terminal.
func checkHelp(t *testing.T, command *cobra.Command) {
	t.Helper()
	if command.Example == "" || command.Long == "" {
		t.Errorf("%s has no examples or says nothing of itself", command.CommandPath())
	}
	for line := range strings.Lines(command.Long) {
		if len(line) > 90 {
			t.Errorf("the help of %s has a line of %d characters: %s", command.CommandPath(), len(line), line)
		}
	}
	for _, sub := range command.Commands() {
		checkHelp(t, sub)
	}
}
