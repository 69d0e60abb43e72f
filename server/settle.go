package server

import (
	"slices"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/settle"
	"github.com/corsgate/corsgate/policy/source"
)

// settle compiles a snapshot for the time that it is now. Where documents stand apart
// and some of them are wrong, the snapshot becomes that of what is in force.
func (p *Policies) settle(snapshot *source.Snapshot) (*policy.Set, policy.Problems) {
	set, problems := p.compile(*snapshot)
	if set != nil || len(snapshot.Problems.Errors()) > 0 {
		return set, problems
	}
	settled := settle.Compile(snapshot.Documents, p.good.Documents, p.compileOptions())
	if settled.Set == nil || len(settled.Set.Policies()) == 0 && !p.mayBeEmpty {
		return nil, problems
	}
	snapshot.Documents = settled.Documents
	problems = slices.Concat(snapshot.Problems, settled.Problems)
	problems.Sort()
	return settled.Set, problems
}
