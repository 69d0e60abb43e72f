package policyservice

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/server/access"
)

var (
	errDefect  = errors.New("corsgate made a mistake; its log says which")
	errBusy    = errors.New("other changes and explanations are being worked on, and the time was over before it was this one's turn; try again")
	errStopped = errors.New("this corsgate stops; watch again from the last revision that came, and another answers")
)

const (
	// maxFindings and maxFindingsText bound what one error tells: it travels in a
	// header where the call is gRPC.
	maxFindings     = 500
	maxFindingsText = 128 << 10
)

// invalid is an error of what a caller wrote.
func invalid(format string, args ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}

// refused is an error of what a caller may not do.
func refused(refusal *access.Refusal) error {
	return connect.NewError(connect.CodePermissionDenied, refusal)
}

// withFindings is an error of documents: all that is wrong with them, as lines and
// as a detail.
func withFindings(problems policy.Problems) error {
	var text strings.Builder
	shown := 0
	for i := range problems {
		line := problems[i].Error()
		if shown == maxFindings || text.Len()+len(line) > maxFindingsText {
			fmt.Fprintf(&text, "\nand %d more; mend these first", len(problems)-shown)
			break
		}
		if shown > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(line)
		shown++
	}
	err := connect.NewError(connect.CodeInvalidArgument, errors.New(text.String()))
	addDetail(err, &corsgatev1.Findings{Findings: findingsOf(problems[:shown])})
	return err
}

// messageOf returns the text of an error without its code.
func messageOf(err error) string {
	if told, ok := errors.AsType[*connect.Error](err); ok {
		return told.Message()
	}
	return err.Error()
}

func addDetail(err *connect.Error, message proto.Message) {
	if detail, failed := connect.NewErrorDetail(message); failed == nil {
		err.AddDetail(detail)
	}
}

// findingsOf writes problems as the service sends them.
func findingsOf(problems policy.Problems) []*corsgatev1.Finding {
	findings := make([]*corsgatev1.Finding, len(problems))
	for i := range problems {
		p := &problems[i]
		findings[i] = &corsgatev1.Finding{
			Severity: p.Severity.String(), Code: p.Code, File: p.Position.File, Line: int32(p.Position.Line), //nolint:gosec // no text has so many lines
			Column: int32(p.Position.Column), Field: p.Field, Reason: p.Reason, Mend: p.Mend, //nolint:gosec // no line has so many columns
		}
	}
	return findings
}

// readError says what a store could not read for somebody who changes nothing.
func (s *Service) readError(err error) error {
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return s.storeError(err)
	}
	return connect.NewError(connect.CodeUnavailable, fmt.Errorf("%s: %w; try again, and see whether the store runs", s.options.Store, err))
}

// storeError says what a store could not do.
func (s *Service) storeError(err error) error {
	if _, already := errors.AsType[*connect.Error](err); already {
		return err
	}
	code, mend := connect.CodeInternal, "corsgate's log may say more"
	switch {
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, err)
	case errors.Is(err, context.DeadlineExceeded):
		code, mend = connect.CodeDeadlineExceeded, "try again"
	case errors.Is(err, store.ErrUnavailable):
		code, mend = connect.CodeUnavailable, "nothing was changed; try again, and see whether the store runs"
	case errors.Is(err, store.ErrUnknown):
		code, mend = connect.CodeUnavailable, "ask for the history, or make the change again: made twice, it does no harm"
	case errors.Is(err, store.ErrMoved):
		code, mend = connect.CodeAborted, "others change the policies all the time; try again"
	case errors.Is(err, store.ErrFull):
		code, mend = connect.CodeResourceExhausted, "nothing was changed; give the store more space, or let it compact"
	case errors.Is(err, store.ErrRefused):
		code, mend = connect.CodeFailedPrecondition, "nothing was changed"
	case errors.Is(err, store.ErrTooLarge):
		code, mend = connect.CodeResourceExhausted, "nothing was changed; make it in several steps"
	case errors.Is(err, store.ErrGone):
		code, mend = connect.CodeFailedPrecondition, "choose a later revision"
	}
	return connect.NewError(code, fmt.Errorf("%s: %w; %s", s.options.Store, err, mend))
}

// errNoHistory says where to look instead for what was.
func (s *Service) errNoHistory() error {
	return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(
		"the policies come from %s, and only a central store keeps what they were before; "+
			"look where they are (git log, kubectl get), or start corsgate with --etcd", s.options.InForce().Source))
}

// errReadOnly says where to write instead.
func (s *Service) errReadOnly() error {
	return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(
		"the policies come from %s, and nothing can be written there through this service; "+
			"change them where they are (edit the files, or kubectl apply), or start corsgate with --etcd", s.options.InForce().Source))
}
