package access

import (
	"fmt"

	"github.com/corsgate/corsgate/policy"
)

// The codes of what can be wrong with an access file, beside those of package
// document.
const (
	codeEmpty         = "access_empty"
	codeUnreadable    = "access_unreadable"
	codeName          = "access_name"
	codeNameTwice     = "access_name_duplicate"
	codeHash          = "access_hash"
	codeExpiry        = "access_expiry"
	codeIssuer        = "access_issuer"
	codeMissing       = "access_missing"
	codeSubject       = "access_subject"
	codeNeedless      = "access_needless"
	codeNamespace     = "access_namespace"
	codeHashOfNothing = "access_hash_empty"
	codeHost          = "access_host"
	codeTokenUnbound  = "access_token_unbound"
	fieldExpires      = "expires"
	fieldSHA256       = "sha256"
	fieldName         = "name"
	fieldSubjects     = "subjects"
	fieldGroups       = "groups"
	fieldNamespaces   = "namespaces"
	fieldHosts        = "hosts"
	fieldNamePrefixes = "namePrefixes"
	fieldRole         = "role"
	fieldIssuer       = "issuer"
	fieldAudience     = "audience"
	fieldOfTokens     = "tokens"
	fieldOfIssuers    = "issuers"
	fieldOfBindings   = "bindings"
	everything        = "*"
	withoutNamespace  = "-"
)

// A part is a part of the document, by which problems are placed.
type part struct {
	doc   *policy.Document
	place *policy.Place
	path  string
}

func rootOf(doc *policy.Document) part { return part{doc: doc, place: doc.Root} }

func (p part) field(name string) part {
	path := name
	if p.path != "" {
		path = p.path + "." + name
	}
	return part{doc: p.doc, place: p.place.Field(name), path: path}
}

func (p part) item(i int) part {
	return part{doc: p.doc, place: p.place.Item(i), path: fmt.Sprintf("%s[%d]", p.path, i)}
}

// problem is one of the part.
func (p part) problem(severity policy.Severity, code, reason, mend string) policy.Problem {
	found := policy.Problem{
		Severity: severity, Code: code, Position: policy.Position{File: p.doc.File}, Field: p.path, Reason: reason, Mend: mend,
	}
	if p.place != nil {
		found.Position.Line, found.Position.Column = int(p.place.Line), int(p.place.Column)
	}
	return found
}
