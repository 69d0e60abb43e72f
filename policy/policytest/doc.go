// Package policytest runs unit tests of policies: documents of the kind
// CorsPolicyTest, which say what requests must get. It finds out too what no test
// tries.
//
// The package is pure, as the engine is: it reads no file and keeps no state. What
// a request gets is the engine's to say; nothing here decides.
package policytest
