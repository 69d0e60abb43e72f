// Package store is policies that are kept and changed in one place: what a
// change is, what it makes of the documents before it, and how it is undone. It
// is pure; where the changes are kept is a matter of a [Store], such as package
// policy/source/etcd.
//
// A store is a history: revision 1 is the first change, and each further change
// has the next number. The documents at a revision are what the changes up to it
// have made of nothing. So nothing is ever lost, every replica that has read as
// far sees the same, and going back is a change like others.
package store
