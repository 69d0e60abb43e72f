package document

import "github.com/corsgate/corsgate/policy"

// ReadCutting reads as Read does, but cuts out of a list what has as few elements
// as are given. Where that is zero, nothing is cut.
func ReadCutting(file string, data []byte, least int) ([]policy.Document, policy.Problems) {
	return readAll(file, data, policies(), least)
}

// Cuts returns how many stretches of a stream are read by hand.
func Cuts(data []byte, least int) int {
	r := &reader{family: policies(), least: least}
	n := 0
	for _, p := range r.split(data) {
		if _, ok := r.fast(p); ok {
			_, cuts := trim(p, least)
			n += len(cuts)
		}
	}
	return n
}
