// Package cli is the tests of the commands of the central store: the program as
// people run it, against a corsgate and an etcd that are real.
package cli
