package conformance_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// checkMethod is the path of the call that matters.
const checkMethod = "/envoy.service.auth.v3.Authorization/Check"

// tries is how often a case is tried. What h2spec sends is no gRPC, and the answer that
// says so ends the stream, sometimes before the case has done to it what it is about.
const tries = 12

// TestH2spec runs each case of h2spec, the strict ones too, once with the path of
// Check and once with that of no method.
func TestH2spec(t *testing.T) {
	t.Parallel()
	server := startCorsgate(t)
	host, portText, err := net.SplitHostPort(server.listen)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"Check": checkMethod, "root": "/"} {
		t.Run(name, func(t *testing.T) {
			settings := &config.Config{
				Host: host, Port: port, Path: path,
				Timeout: 2 * time.Second, MaxHeaderLen: 4000, Strict: true,
			}
			for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
				runGroup(t, settings, group)
			}
		})
	}
}

func runGroup(t *testing.T, settings *config.Config, group *spec.TestGroup) {
	t.Helper()
	cases := append(append([]*spec.TestCase(nil), group.Tests...), group.StrictTests...)
	for i, one := range cases {
		id := fmt.Sprintf("%s/%d", group.ID(), i+1)
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			var err error
			for range tries {
				if err = runCase(settings, one); err == nil {
					return
				}
			}
			t.Errorf("%s: %s\n%v", one.Desc, one.Requirement, err)
		})
	}
	for _, inner := range group.Groups {
		runGroup(t, settings, inner)
	}
}

// runCase runs one case on a connection of its own. One that h2spec skips
// has not been passed.
func runCase(settings *config.Config, one *spec.TestCase) (err error) {
	conn, err := spec.Dial(settings)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	defer func() {
		// A case that waits in vain for a first event calls a method of none.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the case failed: %v", cause)
		}
	}()
	err = one.Run(settings, conn)
	if errors.Is(err, spec.ErrSkipped) {
		return errors.New("h2spec skips it")
	}
	// A server that closes before it has read all that was sent resets the connection:
	// h2spec means to take that for closed, and does not know the form of the error.
	var failed *spec.TestError
	if errors.As(err, &failed) && slices.Contains(failed.Expected, spec.ExpectedConnectionClosed) &&
		strings.Contains(failed.Actual, syscall.ECONNRESET.Error()) {
		return nil
	}
	return err
}
