package document

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
)

// The tags that the parser gives to values.
const (
	tagText  = "!!str"
	tagNull  = "!!null"
	tagBool  = "!!bool"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagDate  = "!!timestamp"
	tagMerge = "!!merge"

	tagMapping  = "!!map"
	tagSequence = "!!seq"
)

// structure reports what is wrong with a tree whatever the schema says of it:
// keys that come twice, and those powers of YAML that let a document mean
// something else than what it shows in its place.
func (r *reader) structure(n *yaml.Node, at *path, depth int) {
	if depth > MaxDepth && n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode {
		p := tooDeep()
		p.Field = at.String()
		r.add(markOf(n), p)
		return
	}
	r.powers(n, at)
	switch n.Kind {
	case yaml.MappingNode:
		r.keys(n, at, depth)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if isPlainScalar(item) {
				continue
			}
			r.structure(item, at.element(i), depth+1)
		}
	}
}

// powers reports an anchor, an alias or a tag.
func (r *reader) powers(n *yaml.Node, at *path) {
	if n.Anchor != "" {
		r.anchors[n.Anchor] = true
		r.add(markOf(n), policy.Problem{
			Code:   codeAnchor,
			Field:  at.String(),
			Reason: fmt.Sprintf("the anchor %s is refused: %s says what it means where it says it", quoted("&"+n.Anchor), r.family.member),
			Mend:   "leave it out, and " + r.family.share,
		})
	}
	if n.Kind == yaml.AliasNode {
		r.alias(n, at)
	}
	if isTagged(n) {
		r.add(markOf(n), policy.Problem{
			Code:   codeTag,
			Field:  at.String(),
			Reason: fmt.Sprintf("the YAML tag %s is refused", quoted(n.Tag)),
			Mend:   "leave it out, and put the value in quotes if it is a text",
		})
	}
}

// alias reports an alias. One without an anchor is a text that lacks quotes.
func (r *reader) alias(n *yaml.Node, at *path) {
	p := policy.Problem{
		Code:   codeAlias,
		Field:  at.String(),
		Reason: fmt.Sprintf("the alias %s is refused: %s says what it means where it says it", quoted("*"+n.Value), r.family.member),
		Mend:   "write out what it stands for, or " + r.family.share,
	}
	if !r.anchors[n.Value] {
		p.Reason = fmt.Sprintf("a text that begins with * must stand in quotes: *%s is an alias in YAML", shorten(n.Value))
		p.Mend = "write " + quoted("*"+n.Value)
	}
	r.add(markOf(n), p)
}

// keys reports what is wrong with the keys of a mapping, and goes into its
// values.
func (r *reader) keys(n *yaml.Node, at *path, depth int) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for key, value := range pairs(n) {
		r.powers(key, at)
		switch {
		case key.Kind == yaml.AliasNode || isTagged(key):
			continue
		case key.Tag == tagMerge:
			r.add(markOf(key), policy.Problem{
				Code:   codeMergeKey,
				Field:  at.String(),
				Reason: "a merge key, <<, is refused: " + r.family.member + " says what it means where it says it",
				Mend:   "write the fields out, and " + r.family.share,
			})
			continue
		case key.Kind != yaml.ScalarNode:
			r.add(markOf(key), policy.Problem{
				Code:   codeKeyNotText,
				Field:  at.String(),
				Reason: "a key is a word, not " + found(key),
				Mend:   `put a text that begins with [ or { in quotes`,
			})
			continue
		}
		if before, ok := first[key.Value]; ok {
			r.add(markOf(key), policy.Problem{
				Code:   codeDuplicateKey,
				Field:  at.field(key.Value).String(),
				Reason: fmt.Sprintf("%s stands here again; it stood at %s", quoted(key.Value), r.describe(markOf(before))),
				Mend:   "keep one of the two",
			})
		} else {
			first[key.Value] = key
		}
		if !isPlainScalar(value) {
			r.structure(value, at.field(key.Value), depth+1)
		}
	}
}

// pairs goes through the keys and values of a mapping.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// isPlainScalar reports whether structure has nothing to say of a node.
func isPlainScalar(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Anchor == "" && !isTagged(n)
}

// isRefused reports whether structure has reported a node as a value that means
// something else than it shows. Nothing more is said of such a value.
func isRefused(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || isTagged(n)
}

// isTagged reports whether a node has a tag that the document itself wrote.
func isTagged(n *yaml.Node) bool {
	return n.Style&yaml.TaggedStyle != 0 || n.Tag == "!"
}

func markOf(n *yaml.Node) mark { return mark{n.Line, n.Column} }
