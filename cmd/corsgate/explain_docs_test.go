package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateExplain = flag.Bool("update-explain", false, "write the examples of docs/explain.md and the golden files of explain anew")

const explainDocs = "../../docs/explain.md"

// Every example of docs/explain.md is what the command prints.
func TestExplainDocs(t *testing.T) {
	source := read(t, explainDocs)
	t.Chdir("testdata/explain")
	blocks := regexp.MustCompile("(?s)```(console|yaml)\n(.*?)```\n")
	examples := 0
	made := blocks.ReplaceAllStringFunc(source, func(block string) string {
		parts := blocks.FindStringSubmatch(block)
		if parts[1] == "yaml" {
			first, _, _ := strings.Cut(parts[2], "\n")
			return "```yaml\n" + first + "\n" + read(t, strings.TrimPrefix(first, "# ")) + "```\n"
		}
		examples++
		command := commandOf(parts[2])
		got := run(t, "", shellWords(t, strings.TrimPrefix(command, "$ corsgate "))...)
		if got.Code != exitOK || got.Err != "" {
			t.Errorf("%s: %+v", command, got)
		}
		return "```console\n" + command + "\n" + got.Out + "```\n"
	})
	if examples < 10 {
		t.Errorf("docs/explain.md has %d examples", examples)
	}
	t.Chdir("../..")
	if *updateExplain {
		if err := os.WriteFile(explainDocs, []byte(made), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(made, read(t, explainDocs)); diff != "" {
		t.Errorf("docs/explain.md differs (-want +got); -update-explain writes it anew:\n%s", diff)
	}
}

// commandOf is the command at the head of a block, over all its lines.
func commandOf(block string) string {
	end := strings.IndexByte(block, '\n')
	for end > 0 && block[end-1] == '\\' {
		end += 1 + strings.IndexByte(block[end+1:], '\n')
	}
	return block[:end]
}

// shellWords splits a command as a shell does, as far as the examples need it.
func shellWords(t *testing.T, command string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, c := range strings.ReplaceAll(command, "\\\n", " ") {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote, inWord = c, true
		case c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\n'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 {
		t.Fatalf("an open quotation mark in %q", command)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
