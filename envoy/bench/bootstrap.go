package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// A bootstrap is one of this module's samples, parsed, and changed in nothing
// but what a measurement needs.
type bootstrap struct {
	tree object
	err  error // the first change that the sample had no place for
}

type (
	object = map[string]any
	list   = []any
)

// readSample reads a sample, whose service becomes an answer of Envoy's own: no
// measurement is of a service. There is no access log: it costs the same with
// and without corsgate, and would hide differences.
func readSample(repository, file string) (*bootstrap, error) {
	text, err := os.ReadFile(filepath.Join(repository, "envoy", file))
	if err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	b := &bootstrap{}
	if err := yaml.Unmarshal(text, &b.tree); err != nil {
		return nil, fmt.Errorf("read the sample %s: %w", file, err)
	}
	delete(b.manager(), "access_log")
	for _, host := range b.hosts() {
		for _, route := range routes(host) {
			if _, ok := route["route"]; !ok {
				b.fail("a route of the sample is none to a cluster")
			}
			delete(route, "route")
			route["direct_response"] = object{"status": 200, "body": object{"inline_string": "{}"}}
		}
	}
	return b, b.err
}

// ports has Envoy listen on addresses of this machine.
func (b *bootstrap) ports(admin, listener string) {
	b.socket(b.tree["admin"], admin)
	b.socket(b.listener(), listener)
}

// ask has Envoy ask the server at an address. It waits longer for the answer
// than the sample does: a moment in which the machine does something else is to
// be a latency, not an error.
func (b *bootstrap) ask(network, address string) {
	service := dig[object](b, b.filter(), "grpc_service")
	cluster := named(b.clusters(), "corsgate")
	endpoint := dig[object](b, cluster, "load_assignment", "endpoints", 0, "lb_endpoints", 0, "endpoint")
	if b.err != nil {
		return
	}
	service["timeout"] = "5s"
	if network == "unix" {
		// A name is not looked up where there is none.
		cluster["type"] = "STATIC"
		endpoint["address"] = object{"pipe": object{"path": address}}
		return
	}
	b.socket(endpoint, address)
}

// withoutFilter takes corsgate's filter out, and all that is there for it.
func (b *bootstrap) withoutFilter() {
	manager := b.manager()
	filters := dig[list](b, manager, "http_filters")
	if len(filters) < 2 {
		b.fail("the sample has no filter to take out")
		return
	}
	manager["http_filters"] = filters[1:]
	for _, host := range b.hosts() {
		delete(host, "typed_per_filter_config")
		for _, route := range routes(host) {
			delete(route, "typed_per_filter_config")
		}
	}
}

// withEnvoyCORS puts Envoy's own CORS filter in the place of corsgate's, with a
// list of origins. It ignores routes with a direct response, so OPTIONS goes to
// a cluster, which the filter answers for.
func (b *bootstrap) withEnvoyCORS(origins []string) {
	b.withoutFilter()
	manager := b.manager()
	manager["http_filters"] = append(list{object{
		"name":         "envoy.filters.http.cors",
		"typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
	}}, dig[list](b, manager, "http_filters")...)
	matchers := make(list, len(origins))
	for i, origin := range origins {
		matchers[i] = object{"exact": origin}
	}
	for _, host := range b.hosts() {
		host["typed_per_filter_config"] = object{"envoy.filters.http.cors": object{
			"@type":                     "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
			"allow_origin_string_match": matchers,
			"allow_methods":             "GET, POST, PUT, DELETE",
			"allow_headers":             "content-type,authorization,x-csrf-token,x-request-id",
			"expose_headers":            "x-request-id,x-total-count",
			"max_age":                   "7200",
			"allow_credentials":         true,
		}}
		all := routes(host)
		preflights := maps.Clone(all[len(all)-1])
		delete(preflights, "direct_response")
		preflights["match"] = object{
			"prefix":  "/",
			"headers": list{object{"name": ":method", "string_match": object{"exact": "OPTIONS"}}},
		}
		preflights["route"] = object{"cluster": "service"}
		host["routes"] = append(list{preflights}, dig[list](b, host, "routes")...)
	}
}

// json returns the bootstrap in the form that Envoy reads fastest.
func (b *bootstrap) json() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	return json.Marshal(b.tree)
}

func (b *bootstrap) listener() object {
	return dig[object](b, b.tree, "static_resources", "listeners", 0)
}

func (b *bootstrap) manager() object {
	return dig[object](b, b.listener(), "filter_chains", 0, "filters", 0, "typed_config")
}

// filter is corsgate's filter, without the matcher around it.
func (b *bootstrap) filter() object {
	config := dig[object](b, b.manager(), "http_filters", 0, "typed_config")
	if inner, ok := config["extension_config"]; ok {
		return dig[object](b, inner, "typed_config")
	}
	return config
}

func (b *bootstrap) clusters() []object {
	return objects(dig[list](b, b.tree, "static_resources", "clusters"))
}

func (b *bootstrap) hosts() []object {
	return objects(dig[list](b, b.manager(), "route_config", "virtual_hosts"))
}

func routes(host object) []object {
	all, _ := host["routes"].(list)
	return objects(all)
}

func objects(items list) []object {
	var out []object
	for _, item := range items {
		if o, ok := item.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

func named(items []object, name string) object {
	for _, item := range items {
		if item["name"] == name {
			return item
		}
	}
	return nil
}

func (b *bootstrap) socket(node any, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	socket := dig[object](b, node, "address", "socket_address")
	if socket != nil {
		socket["address"], socket["port_value"] = host, number
	}
}

func (b *bootstrap) fail(what string) {
	if b.err == nil {
		b.err = errors.New(what)
	}
}

// dig follows names and indexes. Where they lead nowhere the bootstrap is broken.
func dig[T any](b *bootstrap, node any, path ...any) T {
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
		node = next
	}
	value, ok := node.(T)
	if !ok {
		b.fail(fmt.Sprintf("the sample has no %v", path))
	}
	return value
}
