// Package load asks a server on this machine many questions and measures how
// long each answer takes. It is one thread that reads, writes and waits for all
// connections, and allocates nothing while it measures, so that little of what
// is measured is its own.
//
// A closed loop keeps a number of requests in flight and finds out how many
// answers a second a server gives. An open loop sends at a fixed rate whatever
// the server does, and counts each latency from the moment at which the request
// should have been sent: a server that stalls pays for every request that it
// kept waiting, those that could not even be sent among them.
package load
