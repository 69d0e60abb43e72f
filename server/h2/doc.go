// Package h2 answers one unary gRPC method straight from the HTTP/2 connection.
//
// A server of gRPC gives each call a goroutine, and each connection two more:
// one that reads and one that writes. Where a call takes a microsecond, handing
// it from one to the next costs many times what answering it does. Here the
// goroutine that reads a connection decides too: it takes all whole frames that
// came with one read, answers each call in its place, and writes all answers at
// once.
//
// That goes for calls in the one form that gRPC's clients, and Envoy among them,
// send: POST to the method's path, application/grpc, no compression. Every other
// request, to whatever path and in whatever form, is given to an [http.Handler]
// in a goroutine of its own, such as a grpc.Server, which serves its methods as
// ever and says what is wrong with what is not gRPC.
//
// The protocol is that of RFC 9113 (HTTP/2) and RFC 7541 (HPACK, whose coder is
// golang.org/x/net's), and of gRPC over HTTP/2 (PROTOCOL-HTTP2.md of grpc). A
// peer is trusted with nothing: all that it can make a connection remember is
// bounded, in limits.go.
//
// Data flows one way: server.go accepts, conn.go reads and cuts into frames,
// headers.go and stream.go put requests together, call.go answers calls,
// exchange.go hands over the others, and window.go sends what the peer has room
// for. control.go takes the frames that belong to no request, drain.go ends a
// connection in order, and watch.go finds those that have ended otherwise.
package h2
