package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// listTests lists the files with tests that some paths stand for, each once. A
// path that is neither a folder nor a test stands for none.
func listTests(paths []string) ([]string, policy.Problems) {
	var files []string
	var problems policy.Problems
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			problems = append(problems, unreadable(path, err))
		case !info.IsDir():
			if isTestFile(path) {
				files = append(files, path)
			}
		default:
			found, more := listFolder(path)
			files, problems = append(files, found...), append(problems, more...)
		}
	}
	if len(files) == 0 && len(problems) == 0 {
		problems = append(problems, policy.Problem{
			Code: "tests_missing", Position: policy.Position{File: paths[0]},
			Reason: "there is no test", Mend: "write one into a file named *_test.yaml; docs/testing.md shows how",
		})
	}
	slices.Sort(files)
	return slices.Compact(files), problems
}

// listFolder lists the tests in a folder and below. Links to folders are not
// followed, as they are not for policies.
func listFolder(folder string) ([]string, policy.Problems) {
	var files []string
	var problems policy.Problems
	// The error of the function itself is always nil: problems do not end it.
	_ = fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		path := filepath.Join(folder, filepath.FromSlash(name))
		switch {
		case err != nil:
			problems = append(problems, unreadable(path, err))
		case name == ".":
		case strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir() && isTestFile(path):
			files = append(files, path)
		}
		return nil
	})
	return files, problems
}

// isTestFile reports whether a file of this name holds tests.
func isTestFile(path string) bool {
	ext := filepath.Ext(path)
	switch ext {
	case ".yaml", ".yml", ".json":
		return strings.HasSuffix(strings.TrimSuffix(path, ext), "_test")
	default:
		return false
	}
}

// unreadable is the problem of a path that cannot be read. A path that does not
// exist has the words that reading policies has for it.
func unreadable(path string, err error) policy.Problem {
	p := policy.Problem{
		Code: "path_unreadable", Position: policy.Position{File: path},
		Reason: "cannot be read: " + err.Error(), Mend: "let the user that corsgate runs as read it",
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		p.Reason = "cannot be read: " + pathErr.Err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		p.Code, p.Reason, p.Mend = "path_missing", "there is no such file or folder", "create it, or name another path"
	}
	return p
}
