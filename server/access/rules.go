package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Rules are what an access file says. They are immutable.
type Rules struct {
	tokens   []token
	issuers  []issuerSettings
	subjects map[string][]grant
	groups   map[string][]grant
}

// Read reads an access file. With an error among the problems there are no rules;
// what is only odd is a warning.
func Read(file string, data []byte) (*Rules, policy.Problems) {
	docs, problems := document.ReadAccess(file, data)
	if len(docs) == 0 && len(problems) == 0 {
		return nil, policy.Problems{{
			Code: codeEmpty, Position: policy.Position{File: file}, Reason: "the file says nothing",
			Mend: "write a CorsAccess document into it",
		}}
	}
	b := &builder{
		rules: &Rules{subjects: map[string][]grant{}, groups: map[string][]grant{}},
		known: map[string]string{}, problems: problems,
	}
	for i := range docs {
		b.identities(rootOf(&docs[i]).field("spec"), docs[i].Message.(*corsgatev1.CorsAccess).GetSpec()) //nolint:forcetypeassert // ReadAccess reads no other kind
	}
	for i := range docs {
		at := rootOf(&docs[i]).field("spec").field(fieldOfBindings)
		for j, binding := range docs[i].Message.(*corsgatev1.CorsAccess).GetSpec().GetBindings() { //nolint:forcetypeassert // the same
			b.binding(at.item(j), binding)
		}
	}
	b.problems.Sort()
	if len(b.problems.Errors()) > 0 {
		return nil, b.problems
	}
	return b.rules, b.problems
}

// caller returns somebody of whom these subjects and groups are known.
func (r *Rules) caller(subjects, groups []string) *Caller {
	c := &Caller{Name: subjects[0]}
	for _, subject := range subjects {
		c.grants = append(c.grants, r.subjects[subject]...)
	}
	for _, group := range groups {
		c.grants = append(c.grants, r.groups[group]...)
	}
	return c
}

// A builder makes rules and collects what is wrong.
type builder struct {
	rules *Rules
	// known is what subjects may begin with that are not of certificates: of an
	// issuer, where it is known, and "token:" with a name.
	known    map[string]string
	problems policy.Problems
}

func (b *builder) fail(at part, code, reason, mend string) {
	b.problems = append(b.problems, at.problem(policy.SeverityError, code, reason, mend))
}

// identities reads how callers are known.
func (b *builder) identities(at part, spec *corsgatev1.CorsAccessSpec) {
	for i, t := range spec.GetTokens() {
		b.token(at.field(fieldOfTokens).item(i), t)
	}
	for i, issuer := range spec.GetIssuers() {
		b.issuer(at.field(fieldOfIssuers).item(i), issuer)
	}
}

func (b *builder) token(at part, t *corsgatev1.AccessToken) {
	one := token{name: t.GetName()}
	if b.name(at, t.GetName()) && !b.claim(at.field(fieldName), subjectToken+":"+t.GetName()) {
		return
	}
	hash, err := hex.DecodeString(t.GetSha256())
	switch {
	case t.GetSha256() == "":
		b.fail(at, codeMissing, "sha256 is missing", "let `corsgate token NAME` make a token and its line")
	case strings.HasPrefix(t.GetSha256(), tokenPrefix):
		b.fail(at.field(fieldSHA256), codeHash, "this is the token itself, which must not stand here; take it for known to others now",
			"make another with `corsgate token NAME`, and write its sha256")
	case err != nil || len(hash) != sha256.Size:
		b.fail(at.field(fieldSHA256), codeHash, "this is not a SHA-256, which has 64 hexadecimal digits",
			"let `corsgate token NAME` make a token and its line")
	case sha256.Sum256(nil) == [sha256.Size]byte(hash):
		b.fail(at.field(fieldSHA256), codeHashOfNothing, "this is the hash of nothing, a token that everybody has",
			"let `corsgate token NAME` make a token and its line")
	default:
		copy(one.hash[:], hash)
		if twin := slices.IndexFunc(b.rules.tokens, func(other token) bool { return other.hash == one.hash }); twin >= 0 {
			b.fail(at.field(fieldSHA256), codeHash, fmt.Sprintf("the token %q has this hash already", b.rules.tokens[twin].name), "give each a token of its own")
		}
	}
	if t.GetExpires() != "" {
		expires, ok := parseExpiry(t.GetExpires())
		if !ok {
			b.fail(at.field(fieldExpires), codeExpiry, fmt.Sprintf("%q is no time", t.GetExpires()), `write it as "2027-01-31T00:00:00Z" or "2027-01-31"`)
		}
		one.expires = expires
	}
	b.rules.tokens = append(b.rules.tokens, one)
}

func parseExpiry(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// name checks that a name is given and of plain characters, since it becomes a
// part of subjects.
func (b *builder) name(at part, name string) bool {
	switch {
	case name == "":
		b.fail(at, codeMissing, "name is missing", "write name: and a name of its own")
	case strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}) >= 0:
		b.fail(at.field(fieldName), codeName, fmt.Sprintf("%q is not a name: lower-case letters, digits, - and .", name), "choose another")
	default:
		return true
	}
	return false
}

// claim takes what subjects begin with. It reports false where it is taken.
func (b *builder) claim(at part, subject string) bool {
	if first, ok := b.known[subject]; ok {
		b.fail(at, codeNameTwice, "the name is there already, at "+first, "give one of them another name")
		return false
	}
	b.known[subject] = at.problem(policy.SeverityError, "", "", "").Position.String()
	return true
}

func (b *builder) issuer(at part, m *corsgatev1.AccessIssuer) {
	settings := issuerSettings{
		name: m.GetName(), url: m.GetIssuer(), audience: m.GetAudience(), nameClaim: m.GetNameClaim(), groupsClaim: m.GetGroupsClaim(),
	}
	if settings.nameClaim == "" {
		settings.nameClaim = "sub"
	}
	if settings.groupsClaim == "" {
		settings.groupsClaim = "groups"
	}
	if b.name(at, m.GetName()) {
		switch m.GetName() {
		case subjectToken, subjectURI, subjectDNS, subjectCN, subjectLocal:
			b.fail(at.field(fieldName), codeName, fmt.Sprintf("subjects that begin with %s: are something else", m.GetName()), "choose another name, such as sso")
		default:
			b.claim(at.field(fieldName), m.GetName())
		}
	}
	if m.GetAudience() == "" {
		b.fail(at, codeMissing, "audience is missing, and a token that is for others must not be good here", "write the client ID that corsgate has at the issuer")
	}
	if m.GetIssuer() == "" {
		b.fail(at, codeMissing, "issuer is missing", "write the URL that stands in the iss of its tokens")
	} else if reason, mend := checkIssuer(m.GetIssuer()); reason != "" {
		b.fail(at.field(fieldIssuer), codeIssuer, reason, mend)
	}
	if twin := slices.IndexFunc(b.rules.issuers, func(other issuerSettings) bool { return other.url == settings.url }); twin >= 0 && settings.url != "" {
		b.fail(at.field(fieldIssuer), codeIssuer, fmt.Sprintf("the issuer %q has this URL already", b.rules.issuers[twin].name), "keep one of them")
	}
	b.rules.issuers = append(b.rules.issuers, settings)
}

// checkIssuer says what is wrong with an issuer's URL (OpenID Connect Discovery
// 1.0, section 2): keys that came in clear text could be anybody's.
func checkIssuer(text string) (reason, mend string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("%q is not the URL of an issuer", text), "write it as https://login.example"
	case u.Scheme == "https":
		return "", ""
	case u.Scheme == "http":
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			return "", ""
		}
	}
	return "keys would be fetched in clear text, and could be anybody's", "write an https URL"
}

func (b *builder) binding(at part, m *corsgatev1.AccessBinding) {
	var given grant
	switch m.GetRole() {
	case corsgatev1.AccessRole_ACCESS_ROLE_VIEWER:
		given.role = roleViewer
	case corsgatev1.AccessRole_ACCESS_ROLE_ADMIN:
		given.role = roleAdmin
	case corsgatev1.AccessRole_ACCESS_ROLE_EDITOR:
		given.role = roleEditor
		b.bounds(at, m, &given)
	default:
		b.fail(at, codeMissing, "role is missing", "write VIEWER, EDITOR or ADMIN")
	}
	if given.role != roleEditor {
		for name, list := range map[string][]string{
			fieldNamespaces: m.GetNamespaces(), fieldHosts: m.GetHosts(), fieldNamePrefixes: m.GetNamePrefixes(),
		} {
			if len(list) > 0 {
				b.fail(at.field(name), codeNeedless, name+" bounds an EDITOR alone, and this binding has another role", "remove it, or write role: EDITOR")
			}
		}
	}
	if len(m.GetSubjects())+len(m.GetGroups()) == 0 {
		b.fail(at, codeMissing, "the binding is of nobody", "write subjects or groups")
	}
	for i, subject := range m.GetSubjects() {
		if b.subject(at.field(fieldSubjects).item(i), subject) {
			b.rules.subjects[subject] = append(b.rules.subjects[subject], given)
		}
	}
	for i, group := range m.GetGroups() {
		if b.issued(at.field(fieldGroups).item(i), group, "group") {
			b.rules.groups[group] = append(b.rules.groups[group], given)
		}
	}
}

// bounds reads how far an editor may go. What is left out is not everything: that
// is written as "*".
func (b *builder) bounds(at part, m *corsgatev1.AccessBinding, given *grant) {
	if len(m.GetNamespaces()) == 0 {
		b.fail(at, codeMissing, "namespaces is missing, and an EDITOR changes nothing without one", `list them; "-" is documents without one, and "*" is all`)
	}
	for i, namespace := range m.GetNamespaces() {
		switch {
		case namespace == everything:
			given.anyNamespace = true
		case namespace == withoutNamespace:
			given.namespaces = append(given.namespaces, "")
		case strings.ContainsAny(namespace, "*/ "):
			b.fail(at.field(fieldNamespaces).item(i), codeNamespace, fmt.Sprintf("%q is not a namespace", namespace), `write one, or "*" alone for all`)
		default:
			given.namespaces = append(given.namespaces, namespace)
		}
	}
	if len(m.GetHosts()) == 0 {
		b.fail(at, codeMissing, "hosts is missing, and an EDITOR changes no policy without one", `list them as in a policy's targets; "*" is all`)
	}
	for i, text := range m.GetHosts() {
		key, found := policy.ParseTargetHost(text)
		if found != nil {
			b.fail(at.field(fieldHosts).item(i), codeHost, found.Reason, found.Mend)
			continue
		}
		given.hosts, given.hostTexts = append(given.hosts, key), append(given.hostTexts, text)
	}
	given.prefixes = m.GetNamePrefixes()
}

// subject checks that somebody can be who a binding names.
func (b *builder) subject(at part, subject string) bool {
	kind, name, _ := strings.Cut(subject, ":")
	switch kind {
	case subjectURI, subjectDNS, subjectCN:
		if name != "" {
			return true
		}
	case subjectToken:
		if _, ok := b.known[subject]; ok {
			return true
		}
		b.fail(at, codeSubject, fmt.Sprintf("there is no token %q", name), "list it under tokens, or mend its name")
		return false
	}
	return b.issued(at, subject, "subject")
}

// issued checks that a name begins with an issuer.
func (b *builder) issued(at part, text, what string) bool {
	issuer, name, _ := strings.Cut(text, ":")
	if _, ok := b.known[issuer]; ok && name != "" {
		return true
	}
	var issuers []string
	for i := range b.rules.issuers {
		issuers = append(issuers, b.rules.issuers[i].name+":…")
	}
	mend := "write it as " + strings.Join(append(issuers, "token:…", "uri:…", "dns:…", "cn:…"), ", ")
	if what == "group" {
		mend = "write it as " + strings.Join(issuers, ", ")
		if len(issuers) == 0 {
			mend = "list the issuer that says who is in it under issuers"
		}
	}
	b.fail(at, codeSubject, fmt.Sprintf("nobody can be the %s %q", what, text), mend)
	return false
}
