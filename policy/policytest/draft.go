package policytest

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A layer is one of the mappings that say what a test is: the document's spec,
// the test, and the row. A later one overrides what an earlier one says.
type layer struct {
	path    string
	place   *policy.Place
	request *corsgatev1.TestRequest
	expect  *corsgatev1.TestExpectation
}

// A draft is a test in the making.
type draft struct {
	*compiler

	// layers holds at least one.
	layers []layer
}

func (d *draft) last() layer { return d.layers[len(d.layers)-1] }

// request is what the layers together say of the request.
func (d *draft) request() *corsgatev1.TestRequest {
	all := &corsgatev1.TestRequest{}
	for _, l := range d.layers {
		if len(l.request.GetPreflight().GetHeaders()) > 0 && all.GetPreflight() != nil {
			all.Preflight.Headers = nil // a list is replaced whole
		}
		proto.Merge(all, l.request)
	}
	return all
}

// expect is what the layers together say of the answer, but for its headers.
func (d *draft) expect() *corsgatev1.TestExpectation {
	all := &corsgatev1.TestExpectation{}
	for _, l := range d.layers {
		proto.Merge(all, l.expect)
	}
	return all
}

// locate returns the path and the position of a part, where the last layer that
// mentions it does. A part that none mentions stands where the last one does that
// mentions what should hold it.
func (d *draft) locate(names ...string) (path string, at policy.Position) {
	for n := len(names); n > 0; n-- {
		for _, l := range slices.Backward(d.layers) {
			if place := find(l.place, names[:n]); place != nil {
				return join(l.path, names), d.at(place)
			}
		}
	}
	return join(d.last().path, names), d.at(d.last().place)
}

// fault reports what is wrong with a part.
func (d *draft) fault(code, reason, mend string, names ...string) {
	path, at := d.locate(names...)
	d.report(at, path, code, reason, mend)
}

// find follows names down from a place. It returns nil where there is nothing.
func find(p *policy.Place, names []string) *policy.Place {
	for _, name := range names {
		if p == nil {
			return nil
		}
		p = p.Fields[name]
	}
	return p
}

func join(path string, names []string) string {
	return path + "." + strings.Join(names, ".")
}
