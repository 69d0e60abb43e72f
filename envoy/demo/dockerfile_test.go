package main

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A stage is one FROM of the Dockerfile, and the instructions under it.
type stage struct {
	base, name   string
	instructions [][2]string
}

// values returns what follows each of one instruction.
func (s stage) values(instruction string) []string {
	var all []string
	for _, i := range s.instructions {
		if i[0] == instruction {
			all = append(all, i[1])
		}
	}
	return all
}

func readDockerfile(t *testing.T, repository string) []stage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var stages []stage
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		instruction, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if instruction != "FROM" {
			if len(stages) == 0 {
				t.Fatalf("the Dockerfile has %q before a FROM", line)
			}
			last := &stages[len(stages)-1]
			last.instructions = append(last.instructions, [2]string{instruction, strings.TrimSpace(rest)})
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) != 3 || fields[1] != "AS" {
			t.Fatalf("a stage without a name: %q", line)
		}
		stages = append(stages, stage{base: fields[0], name: fields[2]})
	}
	return stages
}

// build is one `go build` of the Dockerfile.
type build struct{ dir, output, pkg string }

// builds returns the go builds of a stage.
func (s stage) builds(t *testing.T) []build {
	t.Helper()
	var all []build
	for _, run := range s.values("RUN") {
		fields := strings.Fields(run)
		if !slices.Contains(fields, "build") {
			continue
		}
		if !slices.Contains(fields, "CGO_ENABLED=0") {
			t.Errorf("%q is not static: a base without a libc cannot run it", run)
		}
		all = append(all, build{dir: flagValue(fields, "-C"), output: flagValue(fields, "-o"), pkg: fields[len(fields)-1]})
	}
	return all
}

// TestDockerfileBuilds checks that each stage builds what it says: that every
// package exists and builds, out of nothing but what .dockerignore lets in, and
// that what the final stages run is what was built.
func TestDockerfileBuilds(t *testing.T) {
	t.Parallel()
	repository, _ := loadCompose(t)
	built := make(map[string][]string) // What a stage has at which paths.
	images := 0
	for _, s := range readDockerfile(t, repository) {
		built[s.name] = slices.Clone(built[s.base])
		for _, b := range s.builds(t) {
			dir := filepath.Join(repository, b.dir)
			runs(t, dir, "go", "build", "-o", t.TempDir(), b.pkg)
			checkContext(t, repository, dir, b.pkg)
			built[s.name] = append(built[s.name], b.output)
		}
		for _, values := range s.values("COPY") {
			fields := strings.Fields(values)
			from, ok := strings.CutPrefix(fields[0], "--from=")
			if !ok {
				continue
			}
			if !slices.Contains(built[from], fields[1]) {
				t.Errorf("%s copies %s, which %s does not build", s.name, fields[1], from)
			}
			built[s.name] = append(built[s.name], fields[2])
		}
		for _, entry := range s.values("ENTRYPOINT") {
			images++
			var argv []string
			if err := json.Unmarshal([]byte(entry), &argv); err != nil || len(argv) != 1 || !slices.Contains(built[s.name], argv[0]) {
				t.Errorf("%s runs %s, which is not in it (%v)", s.name, entry, err)
			}
			if !strings.HasSuffix(s.base, ":nonroot") {
				t.Errorf("%s runs as root: its base is %s", s.name, s.base)
			}
		}
	}
	if images != 2 {
		t.Errorf("%d images, want 2: corsgate and demo", images)
	}
}

// TestDockerfileBuildsWithTheModulesGo checks that the builder's Go is that of
// go.mod.
func TestDockerfileBuildsWithTheModulesGo(t *testing.T) {
	t.Parallel()
	repository, _ := loadCompose(t)
	text, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(text), "\ngo ")
	version, _, _ = strings.Cut(version, "\n")
	base := readDockerfile(t, repository)[0].base
	if minor := strings.TrimPrefix(base, "golang:"); version != minor && !strings.HasPrefix(version, minor+".") {
		t.Errorf("the builder is %s, and go.mod says go %s", base, version)
	}
}

// checkContext checks that .dockerignore lets in all that a package is made of.
func checkContext(t *testing.T, repository, dir, pkg string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if entry, ok := strings.CutPrefix(line, "!"); ok {
			allowed = append(allowed, entry)
		}
	}
	packages := runs(t, dir, "go", "list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", pkg)
	ours := 0
	for folder := range strings.FieldsSeq(packages) {
		rel, err := filepath.Rel(repository, folder)
		if err != nil || !filepath.IsLocal(rel) {
			continue // A module of others.
		}
		ours++
		if !slices.ContainsFunc(allowed, func(entry string) bool { return within(filepath.ToSlash(rel), entry) }) {
			t.Errorf("%s needs the folder %s, which .dockerignore keeps out", pkg, rel)
		}
	}
	if ours == 0 {
		t.Errorf("%s: no folder of this repository is part of it", pkg)
	}
}

// within is whether a folder is an entry's, or lies under it.
func within(folder, entry string) bool {
	return folder == path.Clean(entry) || strings.HasPrefix(folder, path.Clean(entry)+"/")
}
