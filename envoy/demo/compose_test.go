package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy/parts"
)

// loadCompose reads docker-compose.yml as `docker compose` does.
func loadCompose(t *testing.T) (repository string, project *types.Project) {
	t.Helper()
	repository, err := parts.Repository()
	if err != nil {
		t.Fatal(err)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(repository, "docker-compose.yml")},
		cli.WithName("corsgate"), cli.WithWorkingDirectory(repository), cli.WithResolvedPaths(true), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err = options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return repository, project
}

func TestComposeServices(t *testing.T) {
	t.Parallel()
	_, project := loadCompose(t)
	if diff := cmp.Diff([]string{"api", "corsgate", "envoy", "web"}, project.ServiceNames()); diff != "" {
		t.Fatalf("services, -want +got\n%s", diff)
	}
	if got, want := project.Services["envoy"].Image, "envoyproxy/envoy:v"+parts.DefaultVersion; got != want {
		t.Errorf("Envoy's image is %s, want %s", got, want)
	}
	for name, service := range project.Services {
		if name == "envoy" {
			continue
		}
		// All share Envoy's network: the loopback addresses of envoy.yaml are
		// theirs, and Envoy's published ports are all that is open.
		if service.NetworkMode != "service:envoy" {
			t.Errorf("%s: its network is %q, want that of envoy", name, service.NetworkMode)
		}
		if len(service.Ports) > 0 {
			t.Errorf("%s: it publishes ports of its own", name)
		}
	}
}

// TestComposePorts checks that what is published is what the demo's addresses
// say, to this machine alone.
func TestComposePorts(t *testing.T) {
	t.Parallel()
	_, project := loadCompose(t)
	var got []int
	for _, port := range project.Services["envoy"].Ports {
		if port.HostIP != "127.0.0.1" {
			t.Errorf("port %s is open at %q, want 127.0.0.1 alone", port.Published, port.HostIP)
		}
		if port.Published != strconv.Itoa(int(port.Target)) {
			t.Errorf("port %d is published as %s; the pages and the policies know it by one number", port.Target, port.Published)
		}
		got = append(got, int(port.Target))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]int{webPort, corsgateAdmin, envoyAdminPort, apiPort}, got); diff != "" {
		t.Errorf("published ports, -want +got\n%s", diff)
	}
	// What listens: Envoy's own ports are those of envoy.yaml, by TestRebase.
	for service, want := range map[string]map[string]int{
		"corsgate": {"--listen": corsgatePort, "--admin": corsgateAdmin},
		"api":      {"--listen": servicePort},
		"web":      {"--listen": webPort},
	} {
		for flag, port := range want {
			host, got, err := net.SplitHostPort(flagValue(project.Services[service].Command, flag))
			if err != nil || got != strconv.Itoa(port) {
				t.Errorf("%s %s: port %q (%v), want %d", service, flag, got, err, port)
			}
			published := port == corsgateAdmin || port == webPort
			if wantHost := map[bool]string{true: "0.0.0.0", false: "127.0.0.1"}[published]; host != wantHost {
				t.Errorf("%s %s: host %s, want %s", service, flag, host, wantHost)
			}
		}
	}
}

func flagValue(command []string, flag string) string {
	if i := slices.Index(command, flag); i >= 0 && i+1 < len(command) {
		return command[i+1]
	}
	return ""
}

func TestComposeMountsExist(t *testing.T) {
	t.Parallel()
	_, project := loadCompose(t)
	mounts := 0
	for name, service := range project.Services {
		for _, v := range service.Volumes {
			mounts++
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s: %s may be written to", name, v.Target)
			}
			if !slices.Contains(service.Command, v.Target) {
				t.Errorf("%s: nothing in its command reads %s", name, v.Target)
			}
		}
	}
	if mounts != 2 {
		t.Errorf("%d mounts, want 2: envoy.yaml and the policies", mounts)
	}
}

// TestComposeCommands runs each program with its container's arguments, as far
// as it goes without listening.
func TestComposeCommands(t *testing.T) {
	t.Parallel()
	repository, project := loadCompose(t)
	t.Run("corsgate", func(t *testing.T) {
		t.Parallel()
		binary, err := parts.Corsgate(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		command := onHost(project.Services["corsgate"])
		runs(t, repository, binary, append(command, "--print-config")...)
		runs(t, repository, binary, "validate", flagValue(command, "--policy"))
	})
	t.Run("envoy", func(t *testing.T) {
		t.Parallel()
		binary, err := parts.Envoy(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		runs(t, t.TempDir(), binary, append(onHost(project.Services["envoy"]), "--mode", "validate")...)
	})
	for _, part := range []string{"api", "web"} {
		command := project.Services[part].Command
		if len(command) == 0 || command[0] != part {
			t.Errorf("%s runs %q", part, command)
			continue
		}
		if _, err := parseOptions(command[1:]); err != nil {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// onHost is a service's command with what it mounts in the place of the mounts.
func onHost(service types.ServiceConfig) []string {
	command := slices.Clone([]string(service.Command))
	for _, v := range service.Volumes {
		for i, arg := range command {
			if arg == v.Target {
				command[i] = v.Source
			}
		}
	}
	return command
}

// runs starts a program, which must end well, and returns what it wrote.
func runs(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestComposeBuilds checks that what docker-compose.yml builds is in the
// Dockerfile.
func TestComposeBuilds(t *testing.T) {
	t.Parallel()
	repository, project := loadCompose(t)
	stages := readDockerfile(t, repository)
	for name, want := range map[string]string{"corsgate": "corsgate", "api": "demo", "web": "demo"} {
		build := project.Services[name].Build
		if build == nil {
			t.Errorf("%s is not built", name)
			continue
		}
		if build.Context != repository || build.Dockerfile != "Dockerfile" || build.Target != want {
			t.Errorf("%s: builds %s of %s in %s", name, build.Target, build.Dockerfile, build.Context)
		}
		if !slices.ContainsFunc(stages, func(s stage) bool { return s.name == build.Target }) {
			t.Errorf("%s: the Dockerfile has no stage %q", name, build.Target)
		}
	}
}
