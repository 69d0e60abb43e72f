package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// refusedError is of a change that is wrong.
type refusedError struct {
	problems policy.Problems
	// text is what the server said; it names more than the problems where there are
	// too many to send.
	text string
}

// Error returns what is wrong, a problem a line.
func (e *refusedError) Error() string {
	if len(e.problems) == 0 {
		return e.text
	}
	last := e.text[strings.LastIndexByte(e.text, '\n')+1:]
	if strings.HasPrefix(last, "and ") {
		return e.problems.Error() + "\n" + last
	}
	return e.problems.Error()
}

// conflictError is of a change that somebody else was ahead of.
type conflictError struct {
	text     string
	conflict *corsgatev1.Conflict
}

// Error says who changed what and when.
func (e *conflictError) Error() string {
	if len(e.conflict.GetDocuments()) == 0 {
		return e.text
	}
	lines := []string{"nothing was changed, because somebody else was faster; look with corsgate diff, and make the change anew"}
	for _, document := range e.conflict.GetDocuments() {
		lines = append(lines, fmt.Sprintf("%s was changed in revision %d by %s at %s",
			refName(document.GetRef()), document.GetRevision(), byWhom(document.GetAuthor()), stamp(document.GetChanged())))
	}
	return strings.Join(lines, "\n")
}

// lostError is of a call whose answer was lost: what it asked for may have been
// done.
type lostError struct{ text string }

// Error says how.
func (e *lostError) Error() string { return e.text }

// failure says what became of a call, in words for people.
func (c *client) failure(err error) error {
	if foreign, ok := errors.AsType[*foreignError](err); ok {
		return foreign.at(c.server)
	}
	answer, ok := errors.AsType[*connect.Error](err)
	if !ok || !connect.IsWireError(err) {
		return c.unreachable(err)
	}
	said := sanitize(answer.Message())
	switch answer.Code() {
	case connect.CodeInvalidArgument, connect.CodeResourceExhausted:
		return &refusedError{problems: findings(answer), text: said}
	case connect.CodeAborted:
		conflict := &corsgatev1.Conflict{}
		for _, detail := range answer.Details() {
			if value, err := detail.Value(); err == nil {
				if found, ok := value.(*corsgatev1.Conflict); ok {
					conflict = found
				}
			}
		}
		return &conflictError{text: said, conflict: conflict}
	case connect.CodeUnauthenticated:
		if !c.shows {
			said += "; --token-file and $" + tokenVariable + " show a token"
		}
		return fmt.Errorf("%s does not know who you are: %s", c.server, said)
	case connect.CodePermissionDenied:
		return fmt.Errorf("%s does not let you do that: %s", c.server, said)
	case connect.CodeUnimplemented:
		return fmt.Errorf("corsgate at %s has no policy service that can do this: %s", c.server, said)
	case connect.CodeDeadlineExceeded:
		return c.unreachable(context.DeadlineExceeded)
	case connect.CodeNotFound, connect.CodeFailedPrecondition, connect.CodeOutOfRange:
		return errors.New(said) //nolint:err113 // the server's own words, for people
	default:
		return fmt.Errorf("%s: %s", c.server, said)
	}
}

// findings returns the problems that stand in an error's details.
func findings(err *connect.Error) policy.Problems {
	var problems policy.Problems
	for _, detail := range err.Details() {
		value, err := detail.Value()
		if err != nil {
			continue
		}
		if found, ok := value.(*corsgatev1.Findings); ok {
			problems = append(problems, problemsOf(found.GetFindings())...)
		}
	}
	return problems
}

// problemsOf returns findings as the problems that they are.
func problemsOf(findings []*corsgatev1.Finding) policy.Problems {
	problems := make(policy.Problems, len(findings))
	for i, finding := range findings {
		problems[i] = policy.Problem{
			Code:     finding.GetCode(),
			Position: policy.Position{File: finding.GetFile(), Line: int(finding.GetLine()), Column: int(finding.GetColumn())},
			Field:    finding.GetField(),
			Reason:   finding.GetReason(),
			Mend:     finding.GetMend(),
		}
		if finding.GetSeverity() == policy.SeverityWarning.String() {
			problems[i].Severity = policy.SeverityWarning
		}
	}
	return problems
}

// unreachable says why no answer came.
func (c *client) unreachable(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &lostError{fmt.Sprintf("%s does not answer within %s; --timeout lets it take longer", c.server, shortDuration(c.timeout))}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &lostError{c.server + " broke the connection off before it answered"}
	}
	return fmt.Errorf("no corsgate can be asked at %s: %s", c.server, whyUnreachable(err))
}

// whyUnreachable says what keeps a server from being asked.
func whyUnreachable(err error) string {
	const mend = "; give the address of its --admin, by default " + defaultAdmin
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing is listening there" + mend
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket" + mend
	case errors.Is(err, syscall.EACCES):
		return "this user may not write to the socket; run as one who may"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks http and not https; write http://"
	}
	if why := whyNotTrusted(err); why != "" {
		return why
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + name.Name + " cannot be found" + mend
	}
	if access, ok := errors.AsType[*net.OpError](err); ok {
		return access.Err.Error() + mend
	}
	if speaksOtherwise(err) {
		return "what listens there speaks something else than HTTP/1.1, as --listen does for Envoy" + mend
	}
	if detail, ok := errors.AsType[*url.Error](err); ok {
		err = detail.Err
	}
	return err.Error() + mend
}

// whyNotTrusted says what is wrong with a certificate. It is empty where that is
// not what is wrong.
func whyNotTrusted(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by nobody whom this machine trusts; name the file of its authority with --ca"
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		names := host.Certificate.DNSNames
		for _, ip := range host.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		if len(names) == 0 {
			return "its certificate has no name at all; it needs one with the name of the server"
		}
		return "its certificate is not for " + host.Host + " but for " + alternatives(names) + "; use a name that it has"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "its certificate is out of date (" + invalid.Detail + "); have it renewed, or set this machine's clock"
		}
		return "its certificate cannot be used: " + invalid.Error()
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "remote error: tls: certificate required"),
		strings.Contains(text, "remote error: tls: bad certificate"),
		strings.Contains(text, "remote error: tls: unknown certificate authority"):
		return "it asks for a certificate that it trusts; show one with --cert and --key"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it does not speak TLS; write http://"
	}
	return ""
}

// foreignError is of an answer that is not the policy service's.
type foreignError struct {
	status int
	said   string
}

// Error returns the status and the first line of the answer.
func (e *foreignError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.said) }

// at says what that means of a server.
func (e *foreignError) at(server string) error {
	switch {
	case strings.Contains(e.said, "HTTP request to an HTTPS server"):
		return fmt.Errorf("%s speaks TLS; write https://", server)
	case e.status == http.StatusNotFound, e.status == http.StatusMethodNotAllowed:
		return fmt.Errorf("what answers at %s has no policy service: it is another program, an older corsgate, or one without a central store", server)
	case e.status == http.StatusMisdirectedRequest:
		return fmt.Errorf("corsgate does not know itself by the name in %s: use its IP address, or name it with --admin-host there", server)
	case e.status == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("the change is too large for %s; make it in several parts", server)
	case e.status >= http.StatusMultipleChoices && e.status < http.StatusBadRequest:
		return fmt.Errorf("what answers at %s sends us elsewhere (status %d); give the address of corsgate itself", server, e.status)
	case e.said == "":
		return fmt.Errorf("what answers at %s is not corsgate's policy service (status %d)", server, e.status)
	}
	return fmt.Errorf("what answers at %s is not corsgate's policy service (status %d): %s", server, e.status, e.said)
}

// maxSaid is how much of a foreign answer is read, and shown.
const maxSaid = 200

// speaking lets only answers of the policy service through. What else answers,
// such as a proxy, is an error with its words.
type speaking struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (s *speaking) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if kind == "application/json" || kind == "application/proto" || strings.HasPrefix(kind, "application/connect+") {
		return response, nil
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxSaid)) // what could be read is better than nothing
	line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if strings.HasPrefix(line, "<") {
		line = "" // a page says nothing in its first line
	}
	return nil, &foreignError{status: response.StatusCode, said: sanitize(line)}
}

// CloseIdleConnections passes it on, see bearer.
func (s *speaking) CloseIdleConnections() {
	if closer, ok := s.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// speaksOtherwise reports whether what answered was no HTTP/1.1. net/http has no error
// of its own for that: a server that speaks first, as one of HTTP/2 does, is found
// before the request is written or after it.
func speaksOtherwise(err error) bool {
	text := err.Error()
	return strings.Contains(text, "malformed HTTP response") || strings.Contains(text, "readLoopPeekFailLocked")
}
