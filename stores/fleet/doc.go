// Package fleet is the tests of several corsgate that share an etcd of three
// members, all of them processes of their own: each change is seen everywhere, and
// whichever of them is killed, no change and no request is lost.
//
// FLEET_CHANGES says how many changes the tests make; `make fleet` makes 10,000 and
// prints the table in docs/fleet.md.
package fleet
