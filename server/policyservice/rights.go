package policyservice

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/server/access"
)

// A view is all documents that are or would be in force together, as far as
// rights depend on them.
type view struct {
	byKey map[store.Key]*policy.Document
	// users are the policies that name an origin set.
	users map[store.Key][]*policy.Document
}

// newView makes a view of what is in force together, and of what a store holds and
// others hide: it is in force when they are gone.
func newView(together []policy.Document, state *store.State, others map[store.Key]policy.Document) *view {
	docs := slices.Clip(together)
	for key := range others {
		if hidden, ok := state.Document(key); ok {
			docs = append(docs, hidden)
		}
	}
	v := &view{byKey: make(map[store.Key]*policy.Document, len(docs)), users: map[store.Key][]*policy.Document{}}
	for i := range docs {
		doc := &docs[i]
		key := doc.Key()
		v.byKey[key] = doc
		m, ok := doc.Message.(*corsgatev1.CorsPolicy)
		if !ok {
			continue
		}
		for _, name := range m.GetSpec().GetOriginSets() {
			set := store.Key{Kind: kindOriginSet, Namespace: key.Namespace, Name: name}
			if namespace, rest, ok := strings.Cut(name, "/"); ok {
				set.Namespace, set.Name = namespace, rest
			}
			v.users[set] = append(v.users[set], doc)
		}
	}
	return v
}

// mayChange says why a caller may not change a document that is or would be there,
// or nil. A set decides about the hosts of every policy that names it: who may
// change the set of another's policy changes that policy.
func (v *view) mayChange(caller *access.Caller, key store.Key) *access.Refusal {
	thing := access.Thing{Kind: key.Kind, Namespace: key.Namespace, Name: key.Name}
	doc := v.byKey[key]
	switch {
	case doc == nil:
		// A later version wrote it, and what it decides about cannot be told.
		thing.Everywhere, thing.Because = true, "nobody can tell here what it says: it"
	case key.Kind == kindPolicy:
		addHosts(&thing, doc)
	}
	if refusal := caller.MayChange(&thing); refusal != nil {
		return refusal
	}
	if key.Kind != kindOriginSet {
		return nil
	}
	for _, user := range v.users[key] {
		thing := access.Thing{
			Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Because: user.Key().String() + ", which uses it,",
		}
		addHosts(&thing, user)
		if refusal := caller.MayChange(&thing); refusal != nil {
			return refusal
		}
	}
	return nil
}

// addHosts adds the hosts that a policy decides about. One that is no host is no
// matter: such a policy is refused anyway.
func addHosts(thing *access.Thing, doc *policy.Document) {
	m, ok := doc.Message.(*corsgatev1.CorsPolicy)
	if !ok {
		return
	}
	targets := m.GetSpec().GetTargets()
	thing.Everywhere = len(targets) == 0
	for _, target := range targets {
		for _, text := range target.GetHosts() {
			key, problem := policy.ParseTargetHost(text)
			if problem != nil {
				thing.Everywhere = true
				continue
			}
			thing.Hosts = append(thing.Hosts, key)
		}
	}
}
