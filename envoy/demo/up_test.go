package main

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRebase checks that the demo runs envoy.yaml as it stands, but for its four
// addresses.
func TestRebase(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	moved, err := rebase(string(text), map[int]int{apiPort: 1, envoyAdminPort: 2, corsgatePort: 3, servicePort: 4})
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	before, after := strings.Split(string(text), "\n"), strings.Split(moved, "\n")
	if len(before) != len(after) {
		t.Fatalf("%d lines have become %d", len(before), len(after))
	}
	for i := range before {
		if before[i] != after[i] {
			changed = append(changed, strings.TrimSpace(before[i])+" -> "+strings.TrimSpace(after[i]))
		}
	}
	want := []string{
		"socket_address: {address: 127.0.0.1, port_value: 9901} -> socket_address: {address: 127.0.0.1, port_value: 2}",
		"socket_address: {address: 0.0.0.0, port_value: 10000} -> socket_address: {address: 127.0.0.1, port_value: 1}",
		"socket_address: {address: 127.0.0.1, port_value: 9191} -> socket_address: {address: 127.0.0.1, port_value: 3}",
		"socket_address: {address: 127.0.0.1, port_value: 8080} -> socket_address: {address: 127.0.0.1, port_value: 4}",
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRebaseOfAnotherBootstrap(t *testing.T) {
	t.Parallel()
	_, err := rebase("admin: {}", nil)
	const want = `move envoy.yaml to the demo's addresses: it has "address: 0.0.0.0, port_value: 10000" 0 times, not once`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestListenNearATakenPort(t *testing.T) {
	t.Parallel()
	first, err := listenNear(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })
	taken := first.Addr().(*net.TCPAddr).Port
	second, err := listenNear(t.Context(), taken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	if first.Addr().String() == second.Addr().String() {
		t.Errorf("both listen at %s", first.Addr())
	}
}
