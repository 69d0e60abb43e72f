package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/corsgate/corsgate/policy/spelling"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Options is what a set depends on besides its documents.
type Options struct {
	// NoPolicy is what becomes of cross-origin requests that no policy governs.
	NoPolicy Disposition
	// Now decides which temporary origins are over. The zero time lets all in.
	Now time.Time
	// Breaches is what becomes of policies that do what a guardrail forbids.
	Breaches Breaches
	// Previous, unless nil, is a set that was compiled before. What it was made of
	// and is there again, the same message at the same place, is taken over where
	// nothing that it depends on has changed. That only saves time: the outcome is
	// what it would be without. Nobody may have changed the messages.
	Previous *Set
}

// Breaches is what becomes of policies that do what a guardrail forbids. None of
// the ways lets them do it.
type Breaches uint8

const (
	// BreachesRefused makes each breach an error, for those who look at policies
	// before they come into force.
	BreachesRefused Breaches = iota
	// BreachesBarred makes each breach a warning, and bars the policy: it keeps its
	// name and its targets, and refuses every cross-origin request. The others
	// serve. See [Policy.Barred].
	BreachesBarred
)

// Compile makes a set of documents. Where any problem is an error the set is
// nil. All problems are reported at once, ordered by position; of one list of origins
// the first thousand.
func Compile(docs []Document, opts Options) (*Set, Problems) {
	c := newCompiler(&opts)
	parts := c.inherited.arrange(docs)
	c.hash(parts)
	for _, p := range parts {
		switch m := p.doc.Message.(type) {
		case *corsgatev1.CorsOriginSet:
			c.addOriginSet(p, m)
		case *corsgatev1.CorsGuardrail:
			c.addGuardrail(p, m)
		}
	}
	r := c.newRoster(parts)
	for i, p := range parts {
		m, ok := p.doc.Message.(*corsgatev1.CorsPolicy)
		switch {
		case !ok:
		case c.hasTwin(p):
			parts[i] = p.bare()
		case r.keeps(p):
			c.keepPolicy(p)
		default:
			if p.policy != nil {
				parts[i] = p.bare() // the other belongs to the earlier set
			}
			c.addPolicy(parts[i], m, &r)
		}
	}
	c.claimTargets(parts)
	c.warnUnusedSets()
	c.lintGuardrails()
	c.problems.Sort()
	if len(c.problems.Errors()) > 0 {
		c.hashing.Wait()
		return nil, c.problems
	}
	c.finish(parts, &r)
	return c.set, c.problems
}

func newCompiler(opts *Options) *compiler {
	c := &compiler{
		now:       opts.Now,
		inherited: inherit(opts),
		set: &Set{
			noPolicy: opts.NoPolicy,
			breaches: opts.Breaches,
		},
		originSets: map[string]*originSet{},
		used:       map[*originSet]struct{}{},
		breaches:   opts.Breaches,
	}
	c.seed = c.inherited.seed
	if previous := c.inherited.set; previous != nil {
		c.press = previous.press.again()
		c.set.refusals, c.set.ungovernedNotCORS = previous.refusals, previous.ungovernedNotCORS
		return c
	}
	c.set.refusals = prepareRefusals(&c.press)
	if opts.NoPolicy == DispositionDeny {
		c.set.ungovernedNotCORS[0] = c.press.make(0, "", []Field{{Name: headerVary, value: varyOrigin, Write: WriteAppend}})
	}
	return c
}

// finish notes what identifies the set, and what a later one takes over.
func (c *compiler) finish(parts []*part, r *roster) {
	if c.inherited.set == nil {
		c.press.needed = c.press.made
	}
	c.set.byName = make(map[string]*Policy, len(c.set.policies))
	for _, p := range c.set.policies {
		c.set.byName[p.Name] = p
	}
	c.set.press = c.press
	c.set.indexes = r.next
	c.set.revision = c.revisionOf(parts)
	c.set.seed = c.seed
	c.set.parts, c.set.places = parts, placesOf(parts)
	c.set.scans = c.doneScans()
}

// revisionLength is how many bytes of the hash name a revision.
const revisionLength = 6

// hash begins to hash what the first set is made of, beside its compilation: of
// thousands of documents that is a fifth of the work, and nobody waits for an answer yet
// whose processor it would take.
func (c *compiler) hash(parts []*part) {
	if c.inherited.set != nil || len(c.inherited.parts) > 0 {
		return
	}
	messages := make([]proto.Message, len(parts))
	for i, p := range parts {
		messages[i] = p.doc.Message
	}
	c.sums = make([][sha256.Size]byte, len(parts))
	c.hashing.Go(func() {
		for i, m := range messages {
			c.sums[i] = sumOf(m)
		}
	})
}

func (c *compiler) revisionOf(parts []*part) string {
	c.hashing.Wait()
	h := sha256.New()
	if c.expired > 0 {
		h.Write(fmt.Appendf(nil, "%d expired\n", c.expired))
	}
	for i, p := range parts {
		if len(c.sums) > 0 {
			p.sum = c.sums[i]
		}
		if p.sum == [sha256.Size]byte{} {
			p.sum = sumOf(p.doc.Message)
		}
		h.Write(p.sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:revisionLength])
}

// sumOf hashes the content of a document.
func sumOf(m proto.Message) (sum [sha256.Size]byte) {
	h := sha256.New()
	message, list := withoutOrigins(m)
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		data = []byte(err.Error()) // a text that is not UTF-8: still a content
	}
	h.Write(fmt.Appendf(nil, "%s %d %d\n", message.ProtoReflect().Descriptor().FullName(), len(data), len(list)))
	h.Write(data)
	hashTexts(h, list)
	h.Sum(sum[:0])
	return sum
}

// withoutOrigins returns what is like a message but lacks its origins, and those:
// a million of them are better hashed where they are than marshalled.
func withoutOrigins(m proto.Message) (rest proto.Message, origins []string) {
	set, ok := m.(*corsgatev1.CorsOriginSet)
	if !ok || set.GetSpec() == nil {
		return m, nil
	}
	spec, whole := &corsgatev1.CorsOriginSetSpec{}, &corsgatev1.CorsOriginSet{}
	copyFields(spec.ProtoReflect(), set.GetSpec().ProtoReflect())
	copyFields(whole.ProtoReflect(), set.ProtoReflect())
	spec.Origins, whole.Spec = nil, spec
	return whole, set.GetSpec().GetOrigins()
}

// copyFields lets a message have the fields of another, and share what they hold.
func copyFields(to, from protoreflect.Message) {
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(fd, v)
		return true
	})
	to.SetUnknown(from.GetUnknown())
}

// hashTexts hashes a list so that no other list has the same hash.
func hashTexts(h hash.Hash, list []string) {
	const enough = 8 << 10 // what is copied stays in the nearest cache until it is hashed
	buf := make([]byte, 0, enough+maxHostLength)
	for _, text := range list {
		buf = append(binary.AppendUvarint(buf, uint64(len(text))), text...)
		if len(buf) >= enough {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	h.Write(buf)
}

// A compiler collects what Compile makes and finds.
type compiler struct {
	set       *Set
	inherited inheritance
	// originSets is by full name; used are those that a policy names.
	originSets map[string]*originSet
	used       map[*originSet]struct{}
	breaches   Breaches
	// scans holds what guardrails have found in origin sets.
	scans    map[scanKey]*originScan
	problems Problems
	press    press
	now      time.Time
	// seed is that of the set's tables of origins.
	seed maphash.Seed
	// expired counts the temporary origins that are over: what the set does
	// depends on it.
	expired int
	// sums are the hashes of the parts, once hashing is done, where they were not made
	// before.
	sums    [][sha256.Size]byte
	hashing sync.WaitGroup
}

// An originSet is one compiled CorsOriginSet.
type originSet struct {
	doc   *Document
	index originIndex
	// plainHTTP and null are the first entries that credentials must not go
	// to, or absent.
	plainHTTP, null int32
}

// report notes a problem of a part of a document.
func (c *compiler) report(doc *Document, at *Place, severity Severity, path string, f *fault) {
	c.problems = append(c.problems, Problem{
		Severity: severity, Code: f.code, Position: doc.at(at), Field: path, Reason: f.reason, Mend: f.mend,
	})
}

// addOriginSet compiles an origin set, or takes it over.
func (c *compiler) addOriginSet(p *part, m *corsgatev1.CorsOriginSet) {
	doc := p.doc
	if first, ok := c.originSets[p.name]; ok {
		c.reportTwin(doc, first.doc, "origin set", p.name)
		return
	}
	c.set.originSets++
	if p.set != nil {
		c.originSets[p.name] = p.set
		c.problems = append(c.problems, p.problems...)
		return
	}
	found := len(c.problems)
	set := &originSet{doc: doc, plainHTTP: absent, null: absent, index: newOriginIndex(c.seed, doc, partOrigins, m.GetSpec().GetOrigins())}
	c.originSets[p.name] = set
	if len(m.GetSpec().GetOrigins()) == 0 {
		c.report(doc, doc.Root.Field("spec"), SeverityError, "spec.origins", &fault{
			"origins_missing", "the set has no origin", "list its origins, or remove the set",
		})
	}
	c.addOrigins(&set.index, set.check)
	p.set, p.problems = set, slices.Clone(c.problems[found:])
}

// check refuses what no policy could let a set hold, and notes what policies with
// credentials must not use.
func (s *originSet) check(at int32, p *pattern) *fault {
	switch {
	case p.form == patternAny:
		return misplacedAny()
	case p.overSuffix != "":
		return publicSuffixFault(p)
	case p.form == patternNull:
		s.null = at
	case p.isPlainHTTP() && s.plainHTTP == absent:
		s.plainHTTP = at
	}
	return nil
}

func misplacedAny() *fault {
	return &fault{"origin_any", "\"*\" is not an origin of a list like this", "write \"*\" alone in a policy's origins"}
}

func (c *compiler) reportTwin(doc, first *Document, kind, name string) {
	c.report(doc, doc.Root.Field("metadata").Field("name"), SeverityError, "metadata.name", &fault{
		"name_duplicate",
		fmt.Sprintf("the %s %q is there already, at %s", kind, name, first.at(first.Root.Field("metadata").Field("name"))),
		"give one of them another name",
	})
}

// maxTold is how many errors, and how many duplicates, of one list of origins are
// reported: a million of them would take gigabytes, and tell nobody more.
const maxTold = 1000

// addOrigins indexes the patterns of the index's list and reports what is wrong
// with them. What check finds wrong is an error as well.
func (c *compiler) addOrigins(index *originIndex, check func(at int32, p *pattern) *fault) {
	var p pattern // one for all: a list may have a million
	var hashes [lookAhead]uint64
	wrong, twins := 0, 0
	for i, text := range index.list {
		if i%lookAhead == 0 {
			index.exact.approach(index.list[i:min(i+lookAhead, len(index.list))], &hashes)
		}
		at := int32(i)
		f := p.parse(text)
		if f == nil {
			f = check(at, &p)
		}
		if f != nil {
			if wrong++; wrong <= maxTold {
				place, path := index.item(at)
				c.report(index.doc, place, SeverityError, path, f)
			}
			continue
		}
		twin, ok := index.add(&p, at, hashes[i%lookAhead])
		if !ok {
			continue
		}
		if twins++; twins <= maxTold {
			place, path := index.item(at)
			first, _ := index.item(twin)
			c.report(index.doc, place, SeverityWarning, path, &fault{
				"origin_duplicate", fmt.Sprintf("%q is listed already, at %s", text, index.doc.at(first)), "remove one of them",
			})
		}
	}
}

func (c *compiler) warnUnusedSets() {
	for _, set := range c.originSets {
		if _, used := c.used[set]; !used {
			name := set.doc.Root.Field("metadata").Field("name")
			c.report(set.doc, name, SeverityWarning, "metadata.name", &fault{
				"origin_set_unused", fmt.Sprintf("no policy names the origin set %q", set.doc.Key().FullName()), "name it in a policy's originSets, or remove it",
			})
		}
	}
}

// nearest says what a name that is not known was most likely meant to be, or which
// are known.
func nearest(name string, candidates []string) string {
	if guess := spelling.Closest(name, candidates); guess != "" {
		return "did you mean " + quote(guess) + "?"
	}
	if len(candidates) == 0 {
		return ""
	}
	return "known are " + strings.Join(candidates, ", ")
}
