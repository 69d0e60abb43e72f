// Package scene is what the benchmarks are about: the policies that a platform
// team would have, and the requests that browsers and others send to what those
// govern. All of it is made up from numbers, the same in every run.
package scene

import "math/rand/v2"

// source returns the random numbers of one part of the scene.
func source(part uint64) *rand.Rand {
	const seed = 0x636f727367617465
	return rand.New(rand.NewPCG(seed, part))
}

// The parts of the scene that are drawn by lot.
const (
	partChecks uint64 = iota
	partHTTP
	partProbes
)
