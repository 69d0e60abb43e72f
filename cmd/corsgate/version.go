package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildFacts is what is known about this program, and the JSON of `version`.
type buildFacts struct {
	// Version is the release, or "devel".
	Version string `json:"version"`
	// Revision and Time are of the commit that this was built from.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	// Modified says that it was built from more than that commit.
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// readBuild returns what the linker and Go recorded.
func readBuild() buildFacts {
	facts := buildFacts{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if facts.Version == "" {
			facts.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				facts.Revision = setting.Value
			case "vcs.time":
				facts.Time = setting.Value
			case "vcs.modified":
				facts.Modified = setting.Value == "true"
			}
		}
	}
	if facts.Version == "" || facts.Version == "(devel)" {
		facts.Version = "devel"
	}
	return facts
}

// versionOptions is how `version` was called.
type versionOptions struct {
	output choice
}

func newVersion(to streams) *cobra.Command {
	options := versionOptions{output: outputChoice()}
	command := &cobra.Command{
		Use:     "version",
		Short:   "Say which corsgate this is",
		Example: "  corsgate version\n  corsgate version -o json",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return options.run(to, readBuild()) },
	}
	options.output.flag(command, "output", "o", "how to write it")
	return command
}

func (o *versionOptions) run(to streams, facts buildFacts) error {
	if o.output.value == outputJSON {
		return writeJSON(to.out, facts)
	}
	line := "corsgate " + facts.Version
	if facts.Revision != "" {
		line += ", commit " + facts.Revision
		if facts.Modified {
			line += " with changes"
		}
	}
	if _, err := fmt.Fprintf(to.out, "%s, %s, %s\n", line, facts.Go, facts.Platform); err != nil {
		return fmt.Errorf("writing the version: %w", err)
	}
	return nil
}
