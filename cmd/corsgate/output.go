package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The forms in which commands write.
const (
	outputText = "text"
	outputJSON = "json"
)

// outputChoice is the -o of a command.
func outputChoice() choice { return newChoice(outputText, outputText, outputJSON) }

// choice is a flag whose value is one of a few words.
type choice struct {
	value string
	words []string
}

func newChoice(value string, words ...string) choice { return choice{value: value, words: words} }

// String returns the word chosen.
func (c *choice) String() string { return c.value }

// Set chooses a word.
func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("it must be %s", alternatives(c.words))
	}
	c.value = word
	return nil
}

// Type is what help texts show in place of the value.
func (c *choice) Type() string { return strings.Join(c.words, "|") }

// flag adds the choice to a command, with completion of its words.
func (c *choice) flag(command *cobra.Command, name, short, usage string) {
	command.Flags().VarP(c, name, short, usage)
	// It fails only for a flag that is not there.
	_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.words, cobra.ShellCompDirectiveNoFileComp))
}

// alternatives joins words as "a, b or c".
func alternatives(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// writeJSON writes a value for programs to read.
func writeJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
