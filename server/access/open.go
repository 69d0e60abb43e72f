package access

import (
	"net"
	"net/http"
)

// Local lets everybody do everything: it is for a listener that only who is on
// the machine can reach. A caller is called "local" and the address it calls
// from.
type Local struct{}

// Authenticate says that the request is made by somebody local.
func (Local) Authenticate(request *http.Request) (*Caller, error) {
	host, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil || host == "" {
		host = "unix"
	}
	return admin(subjectLocal + ":" + host), nil
}

// Nobody lets nobody in: it is for a listener that others can reach where nobody
// has said who may.
type Nobody struct{}

// Authenticate says what to set up.
func (Nobody) Authenticate(*http.Request) (*Caller, error) {
	return nil, &Challenge{
		Reason: "the policy service is closed: its listener can be reached from other machines, and nobody has said who may use it",
		Mend:   "start corsgate with --access FILE and --admin-tls-cert, or let --admin listen on loopback or on a Unix socket",
	}
}
