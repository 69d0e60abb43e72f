package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// maxFile is how large an access file may be.
const maxFile = 1 << 20

// A File is an access file that is followed: with each request it is looked at,
// and read anew when it has changed. One that has become bad is reported once and
// leaves the last good rules in force.
type File struct {
	path   string
	logger *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	stamp   stamp
	rules   *Rules
	issuers map[issuerSettings]*issuer
}

// A stamp is what tells that a file changed.
type stamp struct {
	modified time.Time
	size     int64
}

// Open reads an access file; here, and only here, a bad one is an error, of type
// policy.Problems.
func Open(ctx context.Context, path string, logger *slog.Logger) (*File, error) {
	f := &File{path: path, logger: logger, now: time.Now, issuers: map[issuerSettings]*issuer{}}
	// Stamped before it is read: a change in between is seen at the next look.
	f.stamp = f.look()
	rules, problems := f.read()
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	f.replace(rules)
	f.warn(ctx, problems)
	return f, nil
}

// Close lets go of what the file's issuers hold.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.issuers {
		one.close()
	}
}

func (f *File) look() stamp {
	info, err := os.Stat(f.path) // links are followed, as Kubernetes changes a secret by changing a link
	if err != nil {
		return stamp{}
	}
	return stamp{modified: info.ModTime(), size: info.Size()}
}

func (f *File) read() (*Rules, policy.Problems) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, f.unreadable(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, f.unreadable(err)
	case len(data) > maxFile:
		return nil, f.unreadable(fmt.Errorf("it is larger than %d MiB", maxFile>>20))
	}
	return Read(f.path, data)
}

func (f *File) unreadable(err error) policy.Problems {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return policy.Problems{{
		Code: codeUnreadable, Position: policy.Position{File: f.path}, Reason: "the access file cannot be read: " + err.Error(),
		Mend: "name a file that this user may read",
	}}
}

// current returns the rules in force, after a look at the file.
func (f *File) current(ctx context.Context) *Rules {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.look()
	if seen.size == f.stamp.size && seen.modified.Equal(f.stamp.modified) {
		return f.rules
	}
	f.stamp = seen
	rules, problems := f.read()
	if len(problems.Errors()) > 0 {
		f.logger.LogAttrs(ctx, slog.LevelError, "the access file changed and cannot be used; the last good one stays in force",
			slog.Any("problems", lines(problems)))
		return f.rules
	}
	f.replace(rules)
	f.logger.LogAttrs(ctx, slog.LevelInfo, "access file loaded", slog.String("file", f.path))
	f.warn(ctx, problems)
	return f.rules
}

func (f *File) warn(ctx context.Context, problems policy.Problems) {
	if len(problems) > 0 {
		f.logger.LogAttrs(ctx, slog.LevelWarn, "the access file is odd", slog.Any("problems", lines(problems)))
	}
}

func lines(problems policy.Problems) []string {
	out := make([]string, len(problems))
	for i := range problems {
		out[i] = problems[i].Error()
	}
	return out
}

// replace puts rules in force. Issuers that did not change keep their keys.
func (f *File) replace(rules *Rules) {
	issuers := make(map[issuerSettings]*issuer, len(rules.issuers))
	for _, settings := range rules.issuers {
		one := f.issuers[settings]
		if one == nil {
			one = newIssuer(settings, f.now)
		}
		issuers[settings] = one
	}
	for settings, one := range f.issuers {
		if issuers[settings] == nil {
			one.close()
		}
	}
	f.rules, f.issuers = rules, issuers
}

func (f *File) issuer(url string) *issuer {
	f.mu.Lock()
	defer f.mu.Unlock()
	for settings, one := range f.issuers {
		if settings.url == url {
			return one
		}
	}
	return nil
}

// A Challenge says why a caller is not known, and how to become so.
type Challenge struct {
	// Reason says what is wrong with what was shown.
	Reason string
	// Mend says what to show.
	Mend string
	// Unavailable says that the caller may be somebody, and that it cannot be told
	// now.
	Unavailable bool
}

// Error returns reason and mend on one line.
func (c *Challenge) Error() string { return c.Reason + "; " + c.Mend }

// Authenticate says who makes a request: the bearer of its token or, where it has
// none, the owner of the certificate that TLS has verified. A token that is not
// good is an error even beside a good certificate. The error is a *Challenge.
func (f *File) Authenticate(request *http.Request) (*Caller, error) {
	rules := f.current(request.Context())
	headers := request.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return nil, &Challenge{Reason: "there are several Authorization headers", Mend: "send one"}
	case len(headers) == 1:
		scheme, secret, _ := strings.Cut(headers[0], " ")
		if secret = strings.TrimSpace(secret); !strings.EqualFold(scheme, "bearer") || secret == "" {
			return nil, &Challenge{Reason: "the Authorization header is not a bearer token's", Mend: "send it as Authorization: Bearer TOKEN"}
		}
		return f.bearer(request.Context(), rules, secret)
	}
	if subjects := verifiedSubjects(request.TLS); len(subjects) > 0 {
		return rules.caller(subjects, nil), nil
	}
	return nil, &Challenge{
		Reason: "nobody may use the policy service without saying who they are",
		Mend:   "send Authorization: Bearer TOKEN, with a token of the access file (`corsgate token NAME` makes one) or of one of its issuers, or a client certificate",
	}
}

func verifiedSubjects(state *tls.ConnectionState) []string {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	return certificateSubjects(state.VerifiedChains[0][0])
}

func (f *File) bearer(ctx context.Context, rules *Rules, secret string) (*Caller, error) {
	if url, ok := issuerOf(secret); ok {
		return f.issued(ctx, rules, url, secret)
	}
	known := findToken(rules.tokens, secret)
	if known == nil {
		return nil, &Challenge{Reason: "the token is not known", Mend: "list its sha256 in the access file, or send another token"}
	}
	if !known.expires.IsZero() && !f.now().Before(known.expires) {
		return nil, &Challenge{
			Reason: fmt.Sprintf("the token %q was good until %s", known.name, known.expires.UTC().Format(time.RFC3339)),
			Mend:   "make another with `corsgate token NAME`, and list it in the access file",
		}
	}
	return rules.caller([]string{subjectToken + ":" + known.name}, nil), nil
}

// issued says who an issuer's token is of.
func (f *File) issued(ctx context.Context, rules *Rules, url, secret string) (*Caller, error) {
	one := f.issuer(url)
	if one == nil {
		return nil, &Challenge{
			Reason: fmt.Sprintf("the token says that %q issued it, which is none of the issuers here", url),
			Mend:   "list the issuer in the access file, or send another token",
		}
	}
	subject, groups, err := one.verify(ctx, secret)
	if err != nil {
		_, away := errors.AsType[*unreachableIssuer](err)
		reason, mend, _ := strings.Cut(err.Error(), "; ")
		if mend == "" {
			mend = "send another token"
		}
		return nil, &Challenge{Reason: reason, Mend: mend, Unavailable: away}
	}
	return rules.caller([]string{subject}, groups), nil
}
