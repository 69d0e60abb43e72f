// Package etcd keeps policies in etcd: it is a [source.Source] of them, a
// [store.Store] that changes them, and a [store.Fleet] that knows who serves them.
//
// Below a prefix, "/corsgate/" unless said otherwise, these keys stand:
//
//	log/0000000000000042         the change that made revision 42, an envelope
//	parts/0000000000000042       the hashes of the blobs that the change needs, if it needs any
//	checkpoint                   all documents at a revision, an envelope
//	blob/<sha256>                a piece of what is too large for one value
//	sweep                        the blobs that nothing needed when somebody looked last
//	replica/<id>                 a replica that serves the policies, on a lease
//
// An envelope is JSON: the format's number, the SHA-256 of the body, and the body,
// or the hashes of the blobs that it was cut into. A change is made by one
// transaction, which creates the next key of the log and fails if somebody else
// has: no change is ever lost, and none is made of what its maker did not see.
//
// Readers take the checkpoint and what the log has beyond it, and then follow the
// log by its numbers. The watch of etcd only wakes them; so neither a compaction
// nor a broken connection can leave a gap.
package etcd
