package store

import (
	"fmt"

	"github.com/corsgate/corsgate/policy"
)

// The codes of the problems that a change can have. They are stable.
const (
	codeNoDocument     = "no_document"
	codeKeyTwice       = "key_twice"
	codeKeyUnknown     = "key_unknown"
	codeOriginTwice    = "origin_twice"
	codeOriginUnusable = "origin_unusable"
	codeDocumentSize   = "document_too_large"
	codeSplit          = "documents_not_apart"
	// codeKept is of a document that is kept and cannot be read.
	codeKept = "kept_unreadable"
)

const mendHistory = "roll back to a revision before it, or apply the document anew"

func problemAt(file, code, reason, mend string) policy.Problem {
	return policy.Problem{Severity: policy.SeverityError, Code: code, Position: policy.Position{File: file}, Reason: reason, Mend: mend}
}

func problemTwice(at policy.Position, key Key, first policy.Position) policy.Problem {
	return policy.Problem{
		Severity: policy.SeverityError, Code: codeKeyTwice, Position: at, Field: "metadata.name",
		Reason: fmt.Sprintf("%s is in the change already, at %s", key, first),
		Mend:   "keep one of them",
	}
}

func problemUnknown(at policy.Position, key Key, mend string) policy.Problem {
	return policy.Problem{
		Severity: policy.SeverityError, Code: codeKeyUnknown, Position: at,
		Reason: fmt.Sprintf("there is no %s", key), Mend: mend,
	}
}
