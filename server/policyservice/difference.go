package policyservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// maxCompared is how many origins are compared: those of the sets that changed,
	// once for each policy that names them and side. A million that 100 policies name
	// take some three seconds where few of them differ, and longer where all do.
	maxCompared = 200_000_000
	// maxComparing is how long a comparison may take, whatever it is of.
	maxComparing = 15 * time.Second
	// maxDiffText is how much of a comparison is sent.
	maxDiffText = 1 << 20
)

// difference says what a change means for callers, or why that is not said: by
// then the change may have been made, and so it is no error.
func (s *Service) difference(ctx context.Context, d *draft, after *policy.Set, to *corsgatev1.ApplyResponse) {
	const left = "what the change means is not said: "
	if n := d.compared(); n > maxCompared {
		to.DiffText = fmt.Sprintf(left+"%d origins would have to be compared, and %d are the limit; changes says how many were added and removed", n, maxCompared)
		return
	}
	select {
	case s.comparing <- struct{}{}:
	default:
		to.DiffText = left + "an earlier comparison still goes on"
		return
	}
	type outcome struct {
		text string
		diff *structpb.Struct
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-s.comparing }()
		text, shape, err := s.compare(d, after)
		if err != nil {
			text = left + err.Error()
		}
		done <- outcome{text, shape}
	}()
	limit := time.NewTimer(maxComparing)
	defer limit.Stop()
	select {
	case out := <-done:
		to.DiffText, to.Diff = out.text, out.diff
	case <-ctx.Done():
		to.DiffText = left + "the time was over"
	case <-limit.C:
		to.DiffText = left + "comparing takes longer than " + maxComparing.String()
	}
}

var errNotGood = errors.New("the policies before it are not good together")

// compare compares what is in force before and after a change. The set before it is
// the one in force where that is of the same documents.
func (s *Service) compare(d *draft, after *policy.Set) (string, *structpb.Struct, error) {
	options := s.compileOptions()
	options.Breaches = policy.BreachesBarred // as they are in force
	before, ok := s.setBefore(d, options)
	if !ok {
		return "", nil, errNotGood
	}
	report := diff.Compare(
		diff.Side{Set: before, Documents: d.before, Options: options},
		diff.Side{Set: after, Documents: d.after, Options: options}, diff.Options{})
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		return "", nil, fmt.Errorf("write the comparison: %w", err)
	}
	if text.Len() > maxDiffText {
		return report.Headline() + "\nthe rest is left out: it is larger than 1 MiB", nil, nil
	}
	shape, err := structOf(report)
	if err != nil {
		return "", nil, fmt.Errorf("write the comparison: %w", err)
	}
	return text.String(), shape, nil
}

// setBefore returns the set of the documents before a change.
func (s *Service) setBefore(d *draft, options policy.Options) (*policy.Set, bool) {
	force := s.options.InForce()
	if force.Set != nil && sameDocuments(force.Documents, d.before) {
		return force.Set, true
	}
	set, _ := policy.Compile(d.before, options)
	return set, set != nil
}

// sameDocuments reports whether two lists hold the very same documents.
func sameDocuments(a, b []policy.Document) bool {
	if len(a) != len(b) {
		return false
	}
	sorted := slices.Clone(a)
	slices.SortFunc(sorted, func(a, b policy.Document) int { return compareKeys(a.Key(), b.Key()) })
	for i := range sorted {
		if sorted[i].Message != b[i].Message || sorted[i].File != b[i].File {
			return false
		}
	}
	return true
}

// compared counts the origins that a comparison looks at.
func (d *draft) compared() int {
	n := 0
	for _, v := range []*view{newView(d.before, d.head, d.others), newView(d.after, d.next, d.others)} {
		for i := range d.entry.Changes {
			key := d.entry.Changes[i].Key
			doc := v.byKey[key]
			if doc == nil {
				continue
			}
			if m, ok := doc.Message.(*corsgatev1.CorsOriginSet); ok {
				n += len(m.GetSpec().GetOrigins()) * max(1, len(v.users[key]))
			}
		}
	}
	return n
}

// structOf writes a value as its JSON says it.
func structOf(value any) (*structpb.Struct, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	shape := &structpb.Struct{}
	if err := protojson.Unmarshal(text, shape); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return shape, nil
}
