package parts

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// A Service is a running corsgate.
type Service struct {
	*Process

	// Admin is the host and port of its admin listener.
	Admin string
}

// ServiceOptions says how to run corsgate.
type ServiceOptions struct {
	// Binary is what Corsgate built.
	Binary string
	// Policies are files and folders.
	Policies []string
	// Listen and Admin are the addresses to listen on, each a host and a port.
	Listen, Admin string
	// Dir receives what corsgate writes.
	Dir string
	// Args are further arguments of `corsgate serve`.
	Args []string
}

// Corsgate builds the corsgate of this checkout into dir and returns the path of
// the binary.
func Corsgate(ctx context.Context, dir string) (string, error) {
	repository, err := Repository()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "corsgate")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/corsgate")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build corsgate: %w\n%s", err, out)
	}
	return binary, nil
}

// StartCorsgate runs `corsgate serve` and waits until it is ready. It ends with
// ctx, or when the caller stops it.
func StartCorsgate(ctx context.Context, opts ServiceOptions) (*Service, error) {
	args := []string{"serve", "--listen", opts.Listen, "--admin", opts.Admin}
	for _, path := range opts.Policies {
		args = append(args, "--policy", path)
	}
	process, err := launch(ctx, "corsgate", opts.Dir, opts.Binary, append(args, opts.Args...)...)
	if err != nil {
		return nil, err
	}
	s := &Service{Process: process, Admin: opts.Admin}
	err = s.await(ctx, "to be ready", func(ctx context.Context) (bool, error) {
		_, err := fetch(ctx, "http://"+s.Admin+"/readyz")
		return err == nil, err
	})
	if err != nil {
		if stop := s.Kill(); stop != nil {
			return nil, fmt.Errorf("%w; %w", err, stop)
		}
		return nil, err
	}
	return s, nil
}
