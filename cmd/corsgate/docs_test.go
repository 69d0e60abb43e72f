package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Every setting of serve stands in docs/operations.md, with the default that it
// has.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatalf("read the document: %v", err)
	}
	serve := newServe(streams{io.Discard, io.Discard})
	serve.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name == "help" {
			return
		}
		if !strings.Contains(string(doc), "`--"+flag.Name) {
			t.Errorf("docs/operations.md does not mention --%s", flag.Name)
		}
		if value := strings.Trim(flag.DefValue, "[]"); value != "" && value != "false" && !strings.Contains(string(doc), "`"+value+"`") {
			t.Errorf("docs/operations.md does not give the default of --%s, %s", flag.Name, value)
		}
	})
}
