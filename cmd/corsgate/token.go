package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/server/access"
)

// tokenOptions is how `token` was called.
type tokenOptions struct {
	name    string
	expires text
	output  choice
}

// madeToken is a token that was made, and its JSON.
type madeToken struct {
	Name    string `json:"name"`
	Token   string `json:"token"`
	SHA256  string `json:"sha256"`
	Expires string `json:"expires,omitempty"`
}

func newToken(to streams) *cobra.Command {
	options := tokenOptions{output: outputChoice()}
	command := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for the policy service",
		Long: `token makes a random token for somebody who uses the policy service, and prints
it once, with the entry for the access file (serve --access) that makes it known.
Only its hash stands in that file: who reads the file cannot use it. Nothing is
sent anywhere, and nothing is kept.`,
		Example: `  corsgate token ci-shop --expires 2160h
  corsgate token ci-shop -o json | jq -r .token`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("token takes one argument, and got %d; say whose it is, as in: corsgate token ci-shop", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			options.name = args[0]
			return options.run(to, time.Now())
		},
	}
	options.output.flag(command, "output", "o", "how to write the token")
	command.Flags().Var(&options.expires, "expires", "`when` it ends to be accepted: a duration such as 2160h, or a date such as 2027-01-31; never by default")
	return command
}

func (o *tokenOptions) run(to streams, now time.Time) error {
	expires, err := expiry(o.expires.value, now)
	if err != nil {
		return err
	}
	token, err := access.NewToken()
	if err != nil {
		return err
	}
	made := madeToken{Name: o.name, Token: token.Secret, SHA256: token.SHA256, Expires: expires}
	entry := made.entry()
	// What the file would say of it is said here already.
	check := "apiVersion: corsgate.dev/v1\nkind: CorsAccess\nmetadata: {name: check}\nspec:\n  tokens:\n" + entry
	if _, problems := access.Read("", []byte(check)); len(problems.Errors()) > 0 {
		return usagef("no token can be called %q: %s", o.name, problems[0].Reason)
	}
	if o.output.value == outputJSON {
		return writeJSON(to.out, made)
	}
	_, err = fmt.Fprintf(to.out, "The token, which is shown this once:\n\n%s\n\nIts entry in the access file, under spec.tokens:\n\n%s\n"+
		"Bind it to a role there, under spec.bindings, as token:%s.\n", made.Token, entry, made.Name)
	if err != nil {
		return fmt.Errorf("writing the token: %w", err)
	}
	return nil
}

// entry is what the access file says of the token.
func (m *madeToken) entry() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n    sha256: %q\n", m.Name, m.SHA256)
	if m.Expires != "" {
		fmt.Fprintf(&b, "    expires: %q\n", m.Expires)
	}
	return b.String()
}

// expiry reads when a token ends.
func expiry(value string, now time.Time) (string, error) {
	if value == "" {
		return "", nil
	}
	end, err := time.Parse(time.DateOnly, value)
	if err != nil {
		end, err = time.Parse(time.RFC3339, value)
	}
	if err != nil {
		var after time.Duration
		if after, err = time.ParseDuration(value); err == nil {
			end = now.Add(after)
		}
	}
	switch {
	case err != nil:
		return "", usagef("--expires is %q; write a duration such as 2160h, or a date such as 2027-01-31", value)
	case !end.After(now):
		return "", usagef("--expires is %q, which is over already; name a time to come", value)
	}
	return end.UTC().Format(time.RFC3339), nil
}
