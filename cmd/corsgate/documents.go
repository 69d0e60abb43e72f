package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The kinds of documents of a central store.
const (
	kindPolicy    = "CorsPolicy"
	kindOriginSet = "CorsOriginSet"
	kindGuardrail = "CorsGuardrail"
)

// kindWords are the short words for kinds, as people type them.
func kindWords() []string { return []string{"policies", "originsets", "guardrails"} }

// parseKind reads a kind: its name, or a short word in the singular or the
// plural, in any case.
func parseKind(word string) (string, error) {
	switch strings.ReplaceAll(strings.ToLower(word), "-", "") {
	case "corspolicy", "corspolicies", "policy", "policies":
		return kindPolicy, nil
	case "corsoriginset", "corsoriginsets", "originset", "originsets", "set", "sets":
		return kindOriginSet, nil
	case "corsguardrail", "corsguardrails", "guardrail", "guardrails":
		return kindGuardrail, nil
	}
	return "", usagef("there is no kind %q; write %s", word, alternatives([]string{"policy", "originset", "guardrail"}))
}

// parseRef reads the name of a document, `name` or `namespace/name`. The
// namespace is what --namespace said, or nil.
func parseRef(kind, name string, namespace *string) (*corsgatev1.DocumentRef, error) {
	ref := &corsgatev1.DocumentRef{Kind: kind, Name: name}
	if before, after, ok := strings.Cut(name, "/"); ok {
		if namespace != nil && *namespace != before {
			return nil, usagef("%s is in the namespace %s, and --namespace says %s; leave one of them out", name, before, *namespace)
		}
		ref.Namespace, ref.Name = before, after
	} else if namespace != nil {
		ref.Namespace = *namespace
	}
	switch {
	case ref.GetName() == "" || strings.Contains(ref.GetName(), "/"):
		return nil, usagef("%q is not the name of a document; write name or namespace/name", name)
	case kind == kindGuardrail && ref.GetNamespace() != "":
		return nil, usagef("a CorsGuardrail has no namespace; write %s alone", ref.GetName())
	}
	return ref, nil
}

// parseRefs reads several names of one kind.
func parseRefs(kind string, names []string, namespace *string) ([]*corsgatev1.DocumentRef, error) {
	refs := make([]*corsgatev1.DocumentRef, 0, len(names))
	for _, name := range names {
		ref, err := parseRef(kind, name, namespace)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(refs, func(known *corsgatev1.DocumentRef) bool { return fullName(known) == fullName(ref) }) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// fullName returns "namespace/name", or the name alone.
func fullName(ref *corsgatev1.DocumentRef) string {
	if ref.GetNamespace() == "" {
		return ref.GetName()
	}
	return ref.GetNamespace() + "/" + ref.GetName()
}

// refName returns "CorsPolicy shop/storefront".
func refName(ref *corsgatev1.DocumentRef) string { return ref.GetKind() + " " + fullName(ref) }

// byWhom names an author.
func byWhom(author string) string { return cmp.Or(sanitize(author), "somebody unnamed") }

// namespaceFlag is -n of a command. Empty is a namespace too: that of the
// documents without one.
type namespaceFlag struct{ value text }

func (n *namespaceFlag) addFlag(command *cobra.Command, usage string) {
	command.Flags().VarP(&n.value, "namespace", "n", usage)
}

// given returns the namespace, or nil where the flag is not given.
func (n *namespaceFlag) given(command *cobra.Command) *string {
	if !command.Flags().Changed("namespace") {
		return nil
	}
	return &n.value.value
}

// completionPatience is how long a shell waits for names.
const completionPatience = 2 * time.Second

// completeDocuments completes a kind, and then the names of documents of it, as
// the server knows them.
func completeDocuments(settings *clientSettings) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return kindWords(), cobra.ShellCompDirectiveNoFileComp
		}
		kind, err := parseKind(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return documentNames(command, settings, kind, args[1:])
	}
}

// completeSets completes the names of origin sets.
func completeSets(settings *clientSettings) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return documentNames(command, settings, kindOriginSet, nil)
	}
}

// documentNames asks the server for names. A shell that asks has no use for
// errors.
func documentNames(command *cobra.Command, settings *clientSettings, kind string, given []string) ([]string, cobra.ShellCompDirective) {
	asked, err := settings.connect(command.Flags())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer asked.close()
	asked.timeout = min(asked.timeout, completionPatience)
	ctx := command.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	listed, err := ask(ctx, asked, asked.policies.List, &corsgatev1.ListRequest{Kind: kind})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, document := range listed.GetDocuments() {
		if name := fullName(document.GetRef()); !slices.Contains(given, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
