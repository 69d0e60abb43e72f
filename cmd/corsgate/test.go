package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/server"
)

// outputJUnit is the XML that CI servers show.
const outputJUnit = "junit"

// testOptions is how `test` was called.
type testOptions struct {
	paths    []string
	policies []string
	run      string
	verbose  bool
	output   choice
	noPolicy choice
	// coverage says that coverage is wanted; minimum is the least, in percent.
	coverage bool
	minimum  int
}

func newTest(to streams) *cobra.Command {
	options := testOptions{
		output:   newChoice(outputText, outputText, outputJSON, outputJUnit),
		noPolicy: newChoice(noPolicyDeny, noPolicyDeny, noPolicyPass),
	}
	command := &cobra.Command{
		Use:   "test PATH…",
		Short: "Run the unit tests of policies",
		Long: `test puts requests to policies and compares what they get with what is
expected. The tests are CorsPolicyTest documents in files named *_test.yaml,
*_test.yml or *_test.json, beside the policies or below; docs/testing.md shows
how they are written. A PATH is a folder with policies and tests, or one file.

It exits with 0 if all tests pass, with 4 if one fails or too little is covered,
and with 3 if the policies or the tests are invalid.`,
		Example: `  corsgate test policies/
  corsgate test --run storefront/ -v policies/
  corsgate test --policy policies/ tests/
  corsgate test --coverage-min 90 -o junit policies/ > report.xml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no tests given; name a file or a folder, as in: corsgate test policies/")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			options.paths = args
			options.coverage = options.coverage || command.Flags().Changed("coverage-min")
			return options.test(command.Context(), to)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&options.policies, "policy", nil, "`path` of the policies to test, in place of those beside the tests; may be given more than once")
	flags.StringVar(&options.run, "run", "", "run only tests whose full name matches this RE2 `regexp`")
	flags.BoolVarP(&options.verbose, "verbose", "v", false, "name the tests that pass as well")
	options.output.flag(command, "output", "o", "how to write the results")
	flags.BoolVar(&options.coverage, "coverage", false, "show which parts of the policies no test exercises")
	flags.IntVar(&options.minimum, "coverage-min", 0, "fail if less than this `percent` of the policies' parts is exercised; implies --coverage")
	options.noPolicy.flag(command, "no-policy", "", "what becomes of cross-origin requests that no policy governs, as for serve")
	return command
}

func (o *testOptions) test(ctx context.Context, to streams) error {
	only, err := regexp.Compile(o.run)
	if err != nil {
		return usagef("--run %q is not a regular expression: %w", o.run, err)
	}
	if o.minimum < 0 || o.minimum > 100 {
		return usagef("--coverage-min is %d, and it is a percentage: 0 to 100", o.minimum)
	}
	run, err := o.execute(ctx, only)
	if err != nil {
		return err
	}
	write := writeTests
	switch o.output.value {
	case outputJSON:
		write = writeTestsJSON
	case outputJUnit:
		write = writeTestsJUnit
	}
	if err := write(to.out, run); err != nil {
		return err
	}
	switch {
	case len(run.problems.Errors()) > 0:
		return errInvalid
	case !run.good():
		return errFailed
	default:
		return nil
	}
}

// A testRun is what became of the tests.
type testRun struct {
	// problems is what is wrong with policies and tests. With an error among
	// them nothing was run.
	problems policy.Problems
	revision string
	results  []policytest.Result
	// coverage is nil where it is not wanted.
	coverage *policytest.Coverage
	minimum  int
	verbose  bool
}

func (r *testRun) failed() int {
	n := 0
	for i := range r.results {
		if !r.results[i].Passed() {
			n++
		}
	}
	return n
}

// covered reports whether enough of the policies is exercised.
func (r *testRun) covered() bool {
	return r.coverage == nil || r.coverage.Percent >= float64(r.minimum)
}

func (r *testRun) good() bool {
	return len(r.problems.Errors()) == 0 && r.failed() == 0 && r.covered()
}

// execute reads policies and tests, and runs the tests.
func (o *testOptions) execute(ctx context.Context, only *regexp.Regexp) (*testRun, error) {
	snapshot, err := source.NewFile(o.policyPaths(), source.FileOptions{Logger: slog.New(slog.DiscardHandler)}).Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading policies: %w", err)
	}
	options := policy.Options{}
	if o.noPolicy.value == noPolicyPass {
		options.NoPolicy = policy.DispositionPass
	}
	set, problems := server.CompileSnapshot(snapshot, options)
	tests, more := readTests(o.paths)
	problems = slices.Concat(problems, more)
	problems.Sort()
	run := &testRun{problems: slices.Compact(problems), minimum: o.minimum, verbose: o.verbose}
	if set == nil || len(run.problems.Errors()) > 0 {
		return run, nil
	}
	tests = slices.DeleteFunc(tests, func(t policytest.Test) bool { return !only.MatchString(t.FullName()) })
	if len(tests) == 0 {
		return nil, usagef("--run %q matches the name of no test", o.run)
	}
	run.revision = set.Revision()
	run.results, err = policytest.Run(snapshot.Documents, options, tests)
	if err != nil {
		return nil, fmt.Errorf("running the tests: %w", err)
	}
	if o.coverage {
		coverage, err := policytest.Cover(snapshot.Documents, run.results)
		if err != nil {
			return nil, fmt.Errorf("looking for what is not tested: %w", err)
		}
		run.coverage = &coverage
	}
	return run, nil
}

// policyPaths are those that were given as such or, without, the folders and the
// policy files among the other paths or, if all those are tests, their folders.
func (o *testOptions) policyPaths() []string {
	if len(o.policies) > 0 {
		return o.policies
	}
	var folders, paths []string
	for _, path := range o.paths {
		if !isTestFile(path) {
			paths = append(paths, path)
		} else if folder := filepath.Dir(path); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	if len(paths) == 0 {
		return folders
	}
	return paths
}

// readTests reads the tests that some paths stand for.
func readTests(paths []string) ([]policytest.Test, policy.Problems) {
	files, problems := listTests(paths)
	var docs []policy.Document
	for _, file := range files {
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			problems = append(problems, unreadable(file, err))
			continue
		}
		read, more := document.ReadTests(file, data)
		if len(read) == 0 && len(more) == 0 {
			more = policy.Problems{{
				Code: "tests_missing", Position: policy.Position{File: file},
				Reason: "the file holds no test document", Mend: "write a CorsPolicyTest into it, or remove it",
			}}
		}
		docs, problems = append(docs, read...), append(problems, more...)
	}
	suites, more := policytest.Compile(docs)
	var tests []policytest.Test
	for i := range suites {
		tests = append(tests, suites[i].Tests...)
	}
	return tests, append(problems, more...)
}
