package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/server"
)

// validateOptions is how `validate` was called.
type validateOptions struct {
	paths  []string
	output choice
	strict bool
}

// validation is what `validate` found, and its JSON. Fields are added to it,
// and none changes its meaning.
type validation struct {
	// Valid says that `serve` would start with these policies, that none of them
	// does what a guardrail forbids and, with --strict, that there is no warning.
	Valid bool `json:"valid"`
	// Revision, Policies and OriginSets are of the set; they are absent or zero
	// where it cannot be made.
	Revision   string `json:"revision,omitempty"`
	Policies   int    `json:"policies"`
	OriginSets int    `json:"originSets"`
	// Files counts what was read.
	Files int `json:"files"`
	// Errors and Warnings count the problems.
	Errors   int             `json:"errors"`
	Warnings int             `json:"warnings"`
	Problems policy.Problems `json:"problems"`
	// Exceptions is what policies take upon themselves in `dangerously`. It is
	// empty where the set cannot be made.
	Exceptions []policy.Exception `json:"exceptions"`
	// Guardrails are those that were read, and whom they reach. It is empty where
	// the set cannot be made.
	Guardrails []heldBack `json:"guardrails"`
}

// heldBack is a guardrail and the policies in its reach.
type heldBack struct {
	Name     string          `json:"name"`
	Position policy.Position `json:"position"`
	Policies []string        `json:"policies"`
}

func newValidate(to streams) *cobra.Command {
	options := validateOptions{output: outputChoice()}
	command := &cobra.Command{
		Use:   "validate PATH…",
		Short: "Find every error in policies",
		Long: `validate reads policies as serve would, and reports everything that is wrong
with them at once: each problem with its file, line and column, the reason, and
what to write instead. What a guardrail forbids is an error here; serve would bar
the policy and go on. The exceptions that policies make under dangerously are
listed too, with their justifications, and the guardrails with the policies in
their reach. A PATH is a file, or a folder with all *.yaml, *.yml and *.json files
in it and below.

It exits with 0 if serve would start with them and all of them would be in force,
and with 3 if not. Guardrails may stand without a policy, for other sources to
have.`,
		Example: `  corsgate validate policies/
  corsgate validate --strict policies/ partners.yaml
  corsgate validate -o json policies/ | jq '.problems[].reason'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no policies given; name a file or a folder, as in: corsgate validate policies/")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			options.paths = args
			return options.run(command.Context(), to)
		},
	}
	options.output.flag(command, "output", "o", "how to write what was found")
	command.Flags().BoolVar(&options.strict, "strict", false, "take warnings for errors")
	return command
}

func (o *validateOptions) run(ctx context.Context, to streams) error {
	files := source.NewFile(o.paths, source.FileOptions{Logger: slog.New(slog.DiscardHandler)})
	snapshot, err := files.Load(ctx)
	if err != nil {
		return fmt.Errorf("reading policies: %w", err)
	}
	compile := server.CompileSnapshot
	if slices.ContainsFunc(snapshot.Documents, isGuardrail) {
		compile = server.CompilePart // a security team keeps its guardrails in a folder of their own
	}
	set, problems := compile(snapshot, policy.Options{Now: time.Now()})
	found := validation{
		Files:    snapshot.Files,
		Errors:   len(problems.Errors()),
		Warnings: len(problems.Warnings()),
		Problems: append(policy.Problems{}, problems...),
		// In JSON, an empty list is not null.
		Exceptions: []policy.Exception{},
		Guardrails: []heldBack{},
	}
	if set != nil {
		found.Revision = set.Revision()
		found.Policies = len(set.Policies())
		found.OriginSets = set.OriginSets()
		found.Exceptions = append(found.Exceptions, set.Exceptions()...)
		for _, g := range set.Guardrails() {
			one := heldBack{Name: g.Name, Position: g.Position, Policies: []string{}}
			for _, p := range g.Reach() {
				one.Policies = append(one.Policies, p.Name)
			}
			found.Guardrails = append(found.Guardrails, one)
		}
	}
	found.Valid = found.Errors == 0 && (!o.strict || found.Warnings == 0)

	write := writeValidation
	if o.output.value == outputJSON {
		write = func(to streams, found *validation) error { return writeJSON(to.out, found) }
	}
	if err := write(to, &found); err != nil {
		return err
	}
	if !found.Valid {
		return errInvalid
	}
	return nil
}

func isGuardrail(d policy.Document) bool {
	_, ok := d.Message.(*corsgatev1.CorsGuardrail)
	return ok
}

// writeValidation writes what was found for people: a line for each problem, for
// each exception that a policy makes and for each guardrail, and one that sums up.
func writeValidation(to streams, found *validation) error {
	for i := range found.Problems {
		if _, err := fmt.Fprintln(to.out, found.Problems[i].Error()); err != nil {
			return fmt.Errorf("writing problems: %w", err)
		}
	}
	for i := range found.Exceptions {
		e := &found.Exceptions[i]
		if _, err := fmt.Fprintf(to.out, "%s: exception: policy %s: %s: %s\n", e.Position, e.Policy, e.Field, strconv.Quote(e.Justification)); err != nil {
			return fmt.Errorf("writing exceptions: %w", err)
		}
	}
	for i := range found.Guardrails {
		g := &found.Guardrails[i]
		if _, err := fmt.Fprintf(to.out, "%s: guardrail: %s reaches %s\n", g.Position, g.Name, reachText(g.Policies)); err != nil {
			return fmt.Errorf("writing guardrails: %w", err)
		}
	}
	files := count(found.Files, "file", "files")
	summary := countProblems(found.Problems) + " in " + files
	switch {
	case found.Valid:
		summary = "ok: " + count(found.Policies, "policy", "policies")
		if found.OriginSets > 0 {
			summary += ", " + count(found.OriginSets, "origin set", "origin sets")
		}
		if len(found.Guardrails) > 0 {
			summary += ", " + count(len(found.Guardrails), "guardrail", "guardrails")
		}
		summary += " in " + files + ", revision " + found.Revision
		if found.Warnings > 0 {
			summary += ", " + count(found.Warnings, "warning", "warnings")
		}
	case found.Errors == 0:
		summary += "; --strict takes warnings for errors"
	}
	if _, err := fmt.Fprintln(to.out, summary); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// reachText names the policies that a guardrail reaches, unless they are many.
func reachText(policies []string) string {
	const many = 5
	switch n := len(policies); {
	case n == 0:
		return "no policy"
	case n > many:
		return fmt.Sprintf("%s: %s and %d more", count(n, "policy", "policies"), strings.Join(policies[:many], ", "), n-many)
	default:
		return count(n, "policy", "policies") + ": " + strings.Join(policies, ", ")
	}
}
