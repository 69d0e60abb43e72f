package e2e_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"go.yaml.in/yaml/v4"
)

// A bootstrap is one of this module's Envoy configurations, parsed. Tests change
// its addresses, and what they say they change, and nothing else.
type bootstrap struct {
	t    *testing.T
	tree map[string]any
}

// object and list shorten what is written as JSON in changes to a bootstrap.
type (
	object = map[string]any
	list   = []any
)

func readBootstrap(t *testing.T, file string) *bootstrap {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatalf("parsing %s: %v", file, err)
	}
	b := &bootstrap{t: t, tree: tree}
	setSocket(b.t, b.tree["admin"], "127.0.0.1:0")
	setSocket(b.t, b.listener(), "127.0.0.1:0")
	return b
}

// json returns the bootstrap in the form that Envoy reads fastest.
func (b *bootstrap) json() []byte {
	b.t.Helper()
	text, err := json.Marshal(b.tree)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *bootstrap) listener() object {
	return dig[object](b.t, b.tree, "static_resources", "listeners", 0)
}

// manager is the HTTP connection manager.
func (b *bootstrap) manager() object {
	return dig[object](b.t, b.listener(), "filter_chains", 0, "filters", 0, "typed_config")
}

// filter is corsgate's filter, without the matcher around it.
func (b *bootstrap) filter() object {
	config := dig[object](b.t, b.manager(), "http_filters", 0, "typed_config")
	if inner, ok := config["extension_config"]; ok {
		return dig[object](b.t, inner, "typed_config")
	}
	return config
}

// host is the virtual host of a name.
func (b *bootstrap) host(name string) object {
	return named(b.t, dig[list](b.t, b.manager(), "route_config", "virtual_hosts"), name)
}

// addRoutes puts routes before those of the virtual host `service`.
func (b *bootstrap) addRoutes(routes ...any) {
	host := b.host("service")
	host["routes"] = append(routes, dig[list](b.t, host, "routes")...)
}

// addFilters puts filters between corsgate's and the router.
func (b *bootstrap) addFilters(filters ...any) {
	manager := b.manager()
	chain := dig[list](b.t, manager, "http_filters")
	manager["http_filters"] = append(append(list{chain[0]}, filters...), chain[1:]...)
}

func (b *bootstrap) addCluster(cluster object) {
	resources := dig[object](b.t, b.tree, "static_resources")
	resources["clusters"] = append(dig[list](b.t, resources, "clusters"), cluster)
}

// point sends a cluster to an address.
func (b *bootstrap) point(cluster, address string) {
	c := named(b.t, dig[list](b.t, b.tree, "static_resources", "clusters"), cluster)
	setSocket(b.t, dig[object](b.t, c, "load_assignment", "endpoints", 0, "lb_endpoints", 0, "endpoint"), address)
}

func setSocket(t *testing.T, node any, address string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	socket := dig[object](t, node, "address", "socket_address")
	socket["address"], socket["port_value"] = host, number
}

func named(t *testing.T, items list, name string) object {
	t.Helper()
	for _, item := range items {
		if o, ok := item.(object); ok && o["name"] == name {
			return o
		}
	}
	t.Fatalf("the bootstrap has nothing named %q", name)
	return nil
}

// dig follows names and indexes into a parsed document.
func dig[T any](t *testing.T, node any, path ...any) T {
	t.Helper()
	for _, step := range path {
		var next any
		switch step := step.(type) {
		case string:
			if o, ok := node.(object); ok {
				next = o[step]
			}
		case int:
			if l, ok := node.(list); ok && step < len(l) {
				next = l[step]
			}
		}
		if next == nil {
			t.Fatalf("the bootstrap has no %v (of %v)", step, path)
		}
		node = next
	}
	value, ok := node.(T)
	if !ok {
		t.Fatalf("%v in the bootstrap is a %T", path, node)
	}
	return value
}
