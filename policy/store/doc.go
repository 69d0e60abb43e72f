// Package store is policies that are kept and changed in one place: what a
// change is, what it makes of the documents before it, and how it is undone. It
// is pure; where the changes are kept is a matter of a [Store], such as package
// policy/source/etcd.
//
// A store is a history: revision 1 is the first change, and each further change
// has the next number. The documents at a revision are what the changes up to it
// have made of nothing: [New] is that nothing, [State.Edit] makes an [Entry] of a
// [Change], and [State.Apply] makes the next state of an entry. So nothing is ever
// lost, every replica that has read as far sees the same, and going back is a
// change like others, which [Back] returns.
//
// Documents are kept as they were written, comments and all, but for origin sets
// of [LargeSet] origins or [LargeText] bytes: their origins are kept apart, so
// that a change of one in a million is as small as it sounds.
package store
