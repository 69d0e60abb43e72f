package source_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

// TestLoadProblems wants the exact texts of what may be wrong with a place of
// files. DIR stands for the folder of the test.
func TestLoadProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		make  func(tb testing.TB, dir string)
		paths []string
		want  string
	}{
		{
			name: "no path",
			want: `no path to read policies from is given; name a file or a folder [no_path]`,
		},
		{
			name: "empty path", paths: []string{""},
			want: `no path to read policies from is given; name a file or a folder [no_path]`,
		},
		{
			name: "missing path", paths: []string{"DIR/policies"},
			want: `DIR/policies: there is no such file or folder; create it, or name another path [path_missing]`,
		},
		{
			name: "several, in order", paths: []string{"DIR/b", "DIR/a"},
			want: "DIR/a: there is no such file or folder; create it, or name another path [path_missing]\n" +
				"DIR/b: there is no such file or folder; create it, or name another path [path_missing]",
		},
		{
			name: "path below a file", paths: []string{"DIR/a.yaml/b.yaml"},
			make: func(tb testing.TB, dir string) { tb.Helper(); putPolicy(tb, dir, "a.yaml") },
			want: `DIR/a.yaml/b.yaml: there is no such file or folder; create it, or name another path [path_missing]`,
		},
		{
			name: "path that is a broken link", paths: []string{"DIR/policies"},
			make: func(tb testing.TB, dir string) { tb.Helper(); link(tb, "nowhere", dir, "policies") },
			want: `DIR/policies: is a symbolic link to "nowhere", which does not exist; mend the link or remove it [path_missing]`,
		},
		{
			name: "path that is a loop", paths: []string{"DIR/a.yaml"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				link(tb, "b.yaml", dir, "a.yaml")
				link(tb, "a.yaml", dir, "b.yaml")
			},
			want: `DIR/a.yaml: is a loop of symbolic links; remove the link, or let it lead to a file [path_loop]`,
		},
		{
			name: "path that is a named pipe", paths: []string{"DIR/pipe"},
			make: func(tb testing.TB, dir string) { tb.Helper(); pipe(tb, dir, "pipe") },
			want: `DIR/pipe: is a named pipe, and policies are read from regular files alone; ` +
				`write the policies to a file, or move this elsewhere [path_kind]`,
		},
		{
			name: "path that is a device", paths: []string{"/dev/zero"},
			want: `/dev/zero: is a device, and policies are read from regular files alone; ` +
				`write the policies to a file, or move this elsewhere [path_kind]`,
		},
		{
			name: "file that cannot be read", paths: []string{"/proc/self/mem"},
			want: `/proc/self/mem: cannot be read: input/output error; see what is wrong with the disk or the mount [path_unreadable]`,
		},
		{
			name: "file that is too large", paths: []string{"DIR"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				write(tb, filepath.Join(dir, "a.yaml"), "")
				must(tb, os.Truncate(filepath.Join(dir, "a.yaml"), 64<<20+1))
			},
			want: `DIR/a.yaml: is larger than 64 MiB; split it into several files [file_too_large]`,
		},
		{
			name: "empty file among others", paths: []string{"DIR"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, "a.yaml")
				write(tb, filepath.Join(dir, "b.yaml"), " \n")
			},
			want: `DIR/b.yaml: is empty; write a policy into it, or remove it [file_empty]`,
		},
		{
			name: "folder without files", paths: []string{"DIR"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, ".a.yaml")
				putPolicy(tb, dir, "a_test.yaml")
				putPolicy(tb, dir, "a.txt")
				putPolicy(tb, dir, ".hidden/a.yaml")
				must(tb, os.Mkdir(filepath.Join(dir, "below"), 0o750))
			},
			want: `DIR: the folder holds no policy file; ` +
				`put a *.yaml, *.yml or *.json file into it; hidden ones and *_test ones do not count [no_policies]`,
		},
		{
			name: "folder whose files hold nothing", paths: []string{"DIR"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				write(tb, filepath.Join(dir, "a.yaml"), "# nothing yet\n")
				write(tb, filepath.Join(dir, "b.yaml"), "---\n")
			},
			want: `DIR: the folder's files hold no policy document; write a CorsPolicy into it [no_policies]`,
		},
		{
			name: "files of which one holds nothing", paths: []string{"DIR/a.yaml", "DIR/b.yaml"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, "a.yaml")
				write(tb, filepath.Join(dir, "b.yaml"), "# nothing yet\n")
			},
			want: `DIR/b.yaml: the file holds no policy document; write a CorsPolicy into it [no_policies]`,
		},
		{
			name: "what a folder holds besides", paths: []string{"DIR"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, "a.yaml")
				pipe(tb, dir, "b.yaml")
				link(tb, "c.yaml", dir, "c.yaml")
				link(tb, "nowhere", dir, "d.yaml")
				link(tb, ".", dir, "e")
				pipe(tb, dir, "none-of-ours")
				link(tb, "nowhere", dir, "none-of-ours-either")
			},
			want: `DIR/b.yaml: is a named pipe, and policies are read from regular files alone; ` +
				"write the policies to a file, or move this elsewhere [path_kind]\n" +
				"DIR/c.yaml: is a loop of symbolic links; remove the link, or let it lead to a file [path_loop]\n" +
				`DIR/d.yaml: is a symbolic link to "nowhere", which does not exist; mend the link or remove it [path_missing]` + "\n" +
				`DIR/e: is a symbolic link to the folder ".", and links to folders are not followed; ` +
				`name that folder as a path of its own and remove the link [folder_link]`,
		},
		{
			name: "loop that looks like a ConfigMap", paths: []string{"DIR"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, "a.yaml")
				must(tb, os.Mkdir(filepath.Join(dir, "below"), 0o750))
				link(tb, "..", dir, "below/..data")
				link(tb, "..data/below", dir, "below/below")
			},
			want: `DIR/below/below: is a loop of symbolic links; remove the link, or let it lead to a file [path_loop]`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if test.make != nil {
				test.make(t, dir)
			}
			var paths []string
			for _, path := range test.paths {
				paths = append(paths, strings.Replace(path, "DIR", dir, 1))
			}
			snapshot, err := newFile(paths...).Load(t.Context())
			must(t, err)
			if got := strings.ReplaceAll(snapshot.Problems.Error(), dir, "DIR"); got != test.want {
				t.Errorf("the problems are\n%s\nwant\n%s", got, test.want)
			}
			if len(snapshot.Problems.Warnings()) > 0 {
				t.Error("a problem is a warning, want errors")
			}
		})
	}
}

func TestProblemOfPermission(t *testing.T) {
	t.Parallel()
	// Made up, because root may read everything.
	err := fmt.Errorf("open the file: %w", &fs.PathError{Op: "open", Path: "a.yaml", Err: syscall.EACCES})
	const want = `a.yaml: cannot be read: permission denied; ` +
		`let the user that corsgate runs as read it, and enter the folders above it [path_unreadable]`
	if got := source.ProblemAccess("a.yaml", err).Error(); got != want {
		t.Errorf("the problem is\n%s\nwant\n%s", got, want)
	}
}

// newFile makes a source that is told of changes by the system alone.
func newFile(paths ...string) *source.File {
	return source.NewFile(paths, source.FileOptions{Resync: noResync})
}

// putPolicy writes a policy whose name is like that of its file.
func putPolicy(tb testing.TB, dir, path string) {
	tb.Helper()
	name, _, _ := strings.Cut(strings.TrimLeft(filepath.Base(path), "."), ".")
	name = strings.ReplaceAll(name, "_", "-")
	write(tb, filepath.Join(dir, path), sourcetest.Document(name, "https://"+name+".example"))
}

func link(tb testing.TB, target, dir, path string) {
	tb.Helper()
	must(tb, os.Symlink(target, filepath.Join(dir, path)))
}

func pipe(tb testing.TB, dir, path string) {
	tb.Helper()
	must(tb, syscall.Mkfifo(filepath.Join(dir, path), 0o600))
}
