package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/parts"
)

// A project is docker-compose.yml and the command that runs it.
type project struct {
	// command is `docker compose`, or `docker-compose` where that is missing.
	command []string
	dir     string
}

// runCompose starts docker-compose.yml, prints the table against it, and takes it
// down again, whatever happened.
func runCompose(ctx context.Context, to screen, opts options) (err error) {
	chromium, err := getChromium(ctx, to)
	if err != nil {
		return err
	}
	p, err := findProject(ctx)
	if err != nil {
		return err
	}
	to.sayf("%s up -d --build", strings.Join(p.command, " "))
	defer func() {
		// Ctrl-C has ended ctx; what is up must come down all the same.
		const downLimit = time.Minute
		down, cancel := context.WithTimeout(context.WithoutCancel(ctx), downLimit)
		defer cancel()
		to.sayf("%s down", strings.Join(p.command, " "))
		err = errors.Join(err, p.run(down, to, "down", "--remove-orphans"))
	}()
	if err := p.run(ctx, to, "up", "-d", "--build"); err != nil {
		return interrupted(ctx, err)
	}
	if err := awaitStack(ctx, opts.at); err != nil {
		return interrupted(ctx, err)
	}
	return interrupted(ctx, showTable(ctx, to, chromium, opts.at, p.envoyLog))
}

// findProject finds compose and an engine.
func findProject(ctx context.Context) (project, error) {
	repository, err := parts.Repository()
	if err != nil {
		return project{}, fmt.Errorf("find docker-compose.yml: %w", err)
	}
	p := project{dir: repository}
	switch {
	case exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil:
		p.command = []string{"docker", "compose"}
	case exec.CommandContext(ctx, "docker-compose", "version").Run() == nil:
		p.command = []string{"docker-compose"}
	default:
		return p, errors.New("no docker compose: install Docker with its compose plugin, or use `make demo`, which needs neither")
	}
	if out, err := exec.CommandContext(ctx, "docker", "info").CombinedOutput(); err != nil {
		return p, fmt.Errorf("no Docker engine answers: start it, or use `make demo`, which needs none: %w\n%s", err, lastLine(out))
	}
	return p, nil
}

// run runs a compose command whose output people see.
func (p project) run(ctx context.Context, to screen, args ...string) error {
	cmd := p.make(ctx, args...)
	cmd.Stdout, cmd.Stderr = to.file, to.file
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", strings.Join(p.command, " "), args[0], err)
	}
	return nil
}

func (p project) make(ctx context.Context, args ...string) *exec.Cmd {
	all := slices.Concat(p.command[1:], args)
	cmd := exec.CommandContext(ctx, p.command[0], all...)
	cmd.Dir = p.dir
	return cmd
}

// envoyLog returns what the container envoy wrote to its standard output, which
// is the access log. Compose's own `logs` prefixes lines, each version its way.
func (p project) envoyLog(ctx context.Context) ([]string, error) {
	id, err := p.make(ctx, "ps", "-q", "envoy").Output()
	if err != nil {
		return nil, fmt.Errorf("find Envoy's container: %w", err)
	}
	out, err := exec.CommandContext(ctx, "docker", "logs", strings.TrimSpace(string(id))).Output()
	if err != nil {
		return nil, fmt.Errorf("read the log of Envoy's container: %w", err)
	}
	return strings.Split(string(out), "\n"), nil
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
