// Package settle puts documents in force whose authors do not know of each other,
// such as the objects of a cluster with hundreds of teams. One document that is wrong
// must not keep the changes of all others from coming: it stays as it was, or where it
// was never right, it lets nobody call.
//
// Documents that come from one hand, such as a folder of files, are right together or
// not at all, and package policy compiles them.
package settle
