package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
)

// The codes of the problems that a store has. They are stable.
const (
	codeCorrupt    = "store_corrupt"
	codeFormat     = "store_format"
	codeGap        = "store_gap"
	codeBlobAbsent = "store_blob_missing"
	codeTooLarge   = "store_value_too_large"
	codeForeign    = "store_foreign_key"
	codeHistory    = "store_history"
)

const (
	mendCorrupt = "if it is the newest key of the log, delete it, and the change that it was; else restore etcd from a backup"
	mendForeign = "something else writes below the prefix; delete the key, and give corsgate a prefix of its own"
)

// A fault is what is wrong with a key: code, reason and mend.
type fault struct{ code, reason, mend string }

func (f fault) Error() string { return f.reason + "; " + f.mend }

// A keyFault is a fault and the key that has it.
type keyFault struct {
	fault

	key string
}

func (f keyFault) Error() string { return f.key + ": " + f.fault.Error() }

// at says which key has a fault. Other errors stay what they are.
func at(key string, err error) error {
	if f, ok := errors.AsType[fault](err); ok {
		return keyFault{f, key}
	}
	return err
}

// problem returns the fault as the problem of a snapshot.
func (f keyFault) problem(severity policy.Severity) policy.Problem {
	return policy.Problem{
		Severity: severity, Code: f.code, Position: policy.Position{File: place + ":" + f.key}, Reason: f.reason, Mend: f.mend,
	}
}

// explain says what an error of etcd means, and what to do about it. The cause is
// what the latest attempt met, where that is known.
func (o *Options) explain(err, cause error) error {
	if errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded {
		if err = cause; err == nil {
			err = fmt.Errorf("no answer from %s within %v", strings.Join(o.Endpoints, ", "), o.DialTimeout)
		}
	}
	switch {
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull), errors.Is(err, store.ErrRefused):
		return err
	case is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: etcd has reached its quota: compact it, defragment each member, raise --quota-backend-bytes if it is small, and then disarm the alarm (etcdctl alarm disarm)", store.ErrFull)
	case is(err, rpctypes.ErrRequestTooLarge), is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("%w for etcd, whose --max-request-bytes must be 1.5 MiB at least, as it is by default", store.ErrTooLarge)
	case is(err, rpctypes.ErrAuthFailed):
		return fmt.Errorf("%w: etcd knows no such user, or another password: see that the user exists (etcdctl user get) and that the password file holds its password", store.ErrRefused)
	case is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("%w, permission denied: grant the user's role what docs/etcd.md lists (etcdctl role grant-permission)", store.ErrRefused)
	case is(err, rpctypes.ErrUserEmpty):
		return fmt.Errorf("%w: etcd asks for a user and a password, or for a client certificate that names a user", store.ErrRefused)
	case errors.Is(err, context.Canceled):
		return err
	default:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, plain(err))
	}
}

// is reports whether an error is one of etcd's.
func is(err, of error) bool {
	return errors.Is(err, of) || rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(of) || strings.Contains(err.Error(), rpctypes.ErrorDesc(of))
}

// plain returns the text of a gRPC error without what only programmers read.
func plain(err error) error {
	s, ok := status.FromError(err)
	if !ok || s.Code() == codes.OK {
		return err
	}
	text := s.Message()
	if _, inner, ok := strings.Cut(text, `desc = "`); ok {
		text = strings.TrimPrefix(strings.TrimSuffix(inner, `"`), "transport: ")
		text = strings.TrimPrefix(text, "Error while dialing: ")
	}
	return errors.New(text)
}

// isHungUp reports whether an error may be of a server that has refused a client
// certificate: it hangs up, and its reason is often lost on the way.
func isHungUp(err error) bool {
	text := err.Error()
	for _, sign := range []string{"remote error: tls", "broken pipe", "connection reset", "EOF"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// neverSent reports whether an error says that there was no connection, so that a
// request has not been seen by anybody.
func neverSent(err error) bool {
	text := err.Error()
	for _, sign := range []string{
		"Error while dialing", "authentication handshake failed", "error reading server preface", "no connection available", "there is no address available",
		"name resolver error", "while waiting for", clientv3.ErrNoAvailableEndpoints.Error(),
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// isTransient reports whether a request may succeed that is made again.
func isTransient(err error) bool {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return e.Code() == codes.Unavailable
	}
	failed, ok := errors.AsType[*callError](err)
	return ok && (status.Code(failed.err) == codes.Unavailable || status.Code(failed.err) == codes.DeadlineExceeded ||
		errors.Is(failed.err, context.DeadlineExceeded))
}
