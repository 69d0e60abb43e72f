//go:build !race

package server

// raceEnabled says whether the race detector watches.
const raceEnabled = false
