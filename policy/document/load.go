package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
)

// errTooDeep stops the parser, which builds its tree by recursion.
var errTooDeep = fmt.Errorf("nested deeper than %d", MaxDepth)

// load parses a piece into the roots of its documents, which are gone once the next
// piece is loaded. What is not YAML is reported.
func (r *reader) load(p piece) []*yaml.Node {
	if r.hand.plain != nil {
		if root := loadPlain(p.data, r.hand.plain); root != nil {
			return []*yaml.Node{root}
		}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(p.data), yaml.WithPlugin(depthLimit{}, danglingAliases{}))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var roots []*yaml.Node
	for {
		root, err := next(loader.Load)
		switch {
		case errors.Is(err, io.EOF):
			return roots
		case err != nil:
			r.syntax(err)
			return roots
		case root != nil:
			roots = append(roots, root)
		}
	}
}

// next returns the root of the document that load loads, or nil where it is
// empty.
func next(load func(any) error) (root *yaml.Node, err error) {
	// The parser panics on what it holds to be impossible. A policy file must
	// not take a running service down, whatever it says.
	defer func() {
		if v := recover(); v != nil {
			root, err = nil, fmt.Errorf("load a document: the parser failed: %v", v)
		}
	}()
	var doc yaml.Node
	if err := load(&doc); err != nil {
		return nil, fmt.Errorf("load a document: %w", err)
	}
	if len(doc.Content) == 0 || isNothing(doc.Content[0]) {
		return nil, nil
	}
	return doc.Content[0], nil
}

// isNothing reports whether a node stands for a value that was left out.
func isNothing(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == tagNull && n.Value == "" && n.Anchor == "" && !isTagged(n)
}

// depthLimit stops the parser before a hostile document exhausts the stack.
type depthLimit struct{}

var _ yaml.LoaderLimitsPlugin = depthLimit{}

// CheckDepth refuses what lies too deep.
func (depthLimit) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > MaxDepth {
		return errTooDeep
	}
	return nil
}

// CheckAlias allows any number of aliases: none is ever followed.
func (depthLimit) CheckAlias(int, int) error { return nil }

// danglingAliases lets the parser go on after an alias without an anchor. Such
// an alias is mostly a pattern without its quotes, like *.shop.example, and all
// of them are to be reported at once.
type danglingAliases struct{}

var (
	_ yaml.AliasDataPlugin  = danglingAliases{}
	_ yaml.AliasDataContext = danglingAliases{}
)

// NewAliasDataContext returns the context of a stream.
func (d danglingAliases) NewAliasDataContext(yaml.AliasDataServices) (yaml.AliasDataContext, error) {
	return d, nil
}

// BeginDocument does nothing: anchors are not kept.
func (danglingAliases) BeginDocument() error { return nil }

// DefineAnchor does nothing: the node itself remembers its anchor.
func (danglingAliases) DefineAnchor(string, *yaml.Node) error { return nil }

// ResolveAlias returns a null for every name.
func (danglingAliases) ResolveAlias(string) (*yaml.Node, bool, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tagNull}, true, nil
}

// EndDocument does nothing.
func (danglingAliases) EndDocument() error { return nil }
