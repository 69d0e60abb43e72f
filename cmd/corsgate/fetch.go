package main

import (
	"context"
	"slices"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// partBytes is how much text is asked for at once, by what documents take at the
	// most as a rule: an answer holds less than a server may say in one.
	partBytes     = 16 << 20
	documentBytes = 8 << 10
	originBytes   = 64
)

// fetchAll gets the documents of a revision, zero for the newest, of which wanted
// says that they are. What would be too large for one answer comes in parts, all of
// one revision.
func fetchAll(ctx context.Context, asked *client, revision int64, wanted func(*corsgatev1.DocumentRef) bool) (*corsgatev1.GetResponse, error) {
	if revision != 0 {
		// What there was then can only be asked for as a whole.
		got, err := ask(ctx, asked, asked.policies.Get, &corsgatev1.GetRequest{Revision: revision})
		if err != nil {
			return nil, err
		}
		got.Documents = slices.DeleteFunc(got.GetDocuments(), func(d *corsgatev1.Document) bool { return !wanted(d.GetRef()) })
		return got, nil
	}
	listed, err := ask(ctx, asked, asked.policies.List, &corsgatev1.ListRequest{})
	if err != nil {
		return nil, err
	}
	whole := &corsgatev1.GetResponse{Revision: listed.GetRevision()}
	for _, refs := range partition(listed.GetDocuments(), wanted) {
		got, err := ask(ctx, asked, asked.policies.Get, &corsgatev1.GetRequest{Refs: refs, Revision: listed.GetRevision()})
		if err != nil {
			return nil, err
		}
		whole.Documents = append(whole.Documents, got.GetDocuments()...)
	}
	return whole, nil
}

// partition divides the documents that are wanted into parts for one answer each.
func partition(documents []*corsgatev1.Document, wanted func(*corsgatev1.DocumentRef) bool) [][]*corsgatev1.DocumentRef {
	var parts [][]*corsgatev1.DocumentRef
	size := int64(0)
	for _, document := range documents {
		if !wanted(document.GetRef()) {
			continue
		}
		more := documentBytes + originBytes*document.GetOrigins()
		if len(parts) == 0 || size+more > partBytes {
			parts, size = append(parts, nil), 0
		}
		last := len(parts) - 1
		parts[last], size = append(parts[last], document.GetRef()), size+more
	}
	return parts
}

// everything wants all documents.
func everything(*corsgatev1.DocumentRef) bool { return true }
