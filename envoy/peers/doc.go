// Package peers compares decisions with those of other libraries, in one run. It is
// a module of its own, so that nobody else needs them.
package peers
