package document

import (
	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
)

// ReadByHand reads as Read does, but cuts out of a list what has as few elements as
// are given, none where that is zero, and reads plain YAML by hand if it is told.
func ReadByHand(file string, data []byte, least int, plain bool) ([]policy.Document, policy.Problems) {
	hand := byHand{least: least}
	if plain {
		hand.plain = new(slab)
	}
	return readAll(file, data, policies(), hand)
}

// Cuts returns how many stretches of a stream are read by hand.
func Cuts(data []byte, least int) int {
	r := &reader{family: policies(), hand: byHand{least: least}}
	n := 0
	for _, p := range r.split(data) {
		if _, ok := r.fast(p); ok {
			_, cuts := trim(p, least)
			n += len(cuts)
		}
	}
	return n
}

// A Load is a piece of a stream that is read by hand.
type Load struct {
	Text string
	// Plain is its root, and Parsed are those that the parser makes of it.
	Plain  *yaml.Node
	Parsed []*yaml.Node
	// Problems are those of the parser.
	Problems policy.Problems
}

// Loads returns the pieces of a stream that are read by hand, and how many there
// are in all.
func Loads(data []byte) (plain []Load, pieces int) {
	r := &reader{family: policies()}
	all := r.split(data)
	for _, p := range all {
		root := loadPlain(p.data, new(slab))
		if root == nil {
			continue
		}
		by := &reader{family: policies(), piece: p}
		parsed := by.load(p)
		plain = append(plain, Load{Text: string(p.data), Plain: root, Parsed: parsed, Problems: by.problems})
	}
	return plain, len(all)
}
