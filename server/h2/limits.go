package h2

import "time"

// What a connection may hold, and for how long. All of it is for one connection.
const (
	// maxFrame is the longest frame that is taken: SETTINGS_MAX_FRAME_SIZE by default
	// (RFC 9113, section 6.5.2).
	maxFrame = 1 << 14
	// firstInput and maxInput are the sizes of the buffer that is read into, at the
	// beginning and at the most. A connection that is idle keeps what it has.
	firstInput = 4 << 10
	maxInput   = 32 << 10
	// maxKept is how large a buffer for output may be to be used again.
	maxKept = 64 << 10

	// streamWindow is how much of one request may be under way, and connWindow of
	// all together (RFC 9113, section 5.2). They are not changed afterwards: gRPC's
	// servers measure what the network takes, and a call is too short to gain by it.
	streamWindow = 256 << 10
	connWindow   = 1 << 20
	// maxStreams is how many requests may be open at a time.
	maxStreams = 1024
	// maxExchanges is how many requests the handler may have at a time. Those that the
	// peer gave up count until the handler has returned.
	maxExchanges = 100
	// heldMessages is how many messages of the largest size may wait for their ends.
	heldMessages = 4

	// maxHeaderBlock is the longest header block, as it comes, and maxHeaderList the
	// longest list of headers, as RFC 9113, section 6.5.2, counts it.
	maxHeaderBlock = 32 << 10
	maxHeaderList  = 64 << 10
	// maxHeaderText is the longest name or value.
	maxHeaderText = 16 << 10
	// maxContinuations is how many frames a header block may have.
	maxContinuations = 16

	// freeControl is how many frames between two looks may come that ask for no answer
	// to a call: pings, settings, resets and the like. Each call allows callControl more.
	freeControl = 10_000
	callControl = 10

	// rememberedResets is of how many streams that were closed here before the peer
	// had finished it is remembered that frames may still come.
	rememberedResets = 128
)

const (
	// openTimeout is how long a peer may take for the TLS handshake and for the
	// beginning of HTTP/2.
	openTimeout = 20 * time.Second
	// blockTimeout is how long a header block may take that has begun.
	blockTimeout = 10 * time.Second
	// writeTimeout is how long a peer may read nothing of what is written to it.
	writeTimeout = 20 * time.Second
	// lingerTimeout is how long a peer may take to close after it was told that the
	// connection is at its end.
	lingerTimeout = time.Second
	// drainPingTimeout is how long a peer may take to answer the ping by which it is
	// known that it has heard of the end.
	drainPingTimeout = 5 * time.Second
	// lookInterval is how often the connections are looked after.
	lookInterval = time.Second
)
