package browser

import "testing"

const (
	shop = "https://shop.example"
	evil = "https://evil.example"
)

func acao(value string) Header { return Header{"Access-Control-Allow-Origin", value} }

// perEngine is what Standard and Chrome, Firefox, and Safari make of a case.
type perEngine [engineCount]Failure

func each(f Failure) perEngine { return perEngine{f, f, f, f} }

func TestCORSCheck(t *testing.T) {
	t.Parallel()
	const (
		none     = FailureNone
		missing  = FailureMissingAllowOrigin
		several  = FailureMultipleAllowOrigin
		invalid  = FailureInvalidAllowOrigin
		mismatch = FailureAllowOriginMismatch
		wildcard = FailureWildcardWithCredentials
		creds    = FailureAllowCredentials
	)
	acac := func(v string) Header { return Header{"access-control-allow-credentials", v} }
	for _, c := range []struct {
		name        string
		credentials Credentials
		origin      string
		headers     []Header
		want        perEngine
	}{
		{"nothing", CredentialsOmit, shop, nil, each(missing)},
		{"the origin", CredentialsOmit, shop, []Header{acao(shop)}, each(none)},
		{"white space around it", CredentialsOmit, shop, []Header{acao("\t " + shop + " ")}, each(none)},
		{"any", CredentialsOmit, shop, []Header{acao("*")}, each(none)},
		{"any, same-origin credentials", CredentialsSameOrigin, shop, []Header{acao("*"), acac("false")}, each(none)},
		{"any with credentials", CredentialsInclude, shop, []Header{acao("*"), acac("true")}, each(wildcard)},
		{"credentials granted", CredentialsInclude, shop, []Header{acao(shop), acac("true")}, each(none)},
		{"credentials missing", CredentialsInclude, shop, []Header{acao(shop)}, each(creds)},
		{"credentials in capitals", CredentialsInclude, shop, []Header{acao(shop), acac("True")}, each(creds)},
		{"credentials twice", CredentialsInclude, shop, []Header{acao(shop), acac("true"), acac("true")}, each(creds)},
		{"null for null", CredentialsInclude, OpaqueOrigin, []Header{acao("null"), acac("true")}, each(none)},
		{"null for a page", CredentialsOmit, shop, []Header{acao("null")}, each(mismatch)},
		{"another origin", CredentialsOmit, shop, []Header{acao(evil)}, each(mismatch)},
		{"a slash behind", CredentialsOmit, shop, []Header{acao(shop + "/")}, each(mismatch)},
		{"capitals", CredentialsOmit, shop, []Header{acao("https://Shop.example")}, each(mismatch)},
		{"the default port", CredentialsOmit, shop, []Header{acao(shop + ":443")}, each(mismatch)},
		{"two lines", CredentialsOmit, shop, []Header{acao(shop), acao(shop)}, each(several)},
		{"two lines of any", CredentialsOmit, shop, []Header{acao("*"), acao("*")}, each(several)},
		{"a comma", CredentialsOmit, shop, []Header{acao(shop + "," + evil)}, perEngine{several, several, mismatch, several}},
		{"a space", CredentialsOmit, shop, []Header{acao(shop + " " + evil)}, perEngine{several, several, mismatch, mismatch}},
		{"empty", CredentialsOmit, shop, []Header{acao("")}, perEngine{invalid, invalid, mismatch, mismatch}},
		{"a host", CredentialsOmit, shop, []Header{acao("shop.example")}, perEngine{invalid, invalid, mismatch, mismatch}},
	} {
		for engine := range engineCount {
			if got, _ := CORSCheck(engine, c.origin, c.credentials, c.headers); got != c.want[engine] {
				t.Errorf("%s: %s says %s, want %s", c.name, engine, got, c.want[engine])
			}
		}
	}
}

func TestIsURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                            false,
		"true":                        false,
		"shop.example":                false,
		"localhost:3000":              true, // a scheme of its own
		"https://shop.example":        true,
		"https:shop.example":          true,
		"HTTPS://shop.example/a?b":    true,
		`https:\\shop.example`:        true,
		"https://":                    false,
		"https://:80":                 false,
		"https://user@shop.example":   true,
		"https://shop.example:65535":  true,
		"https://shop.example:65536":  false,
		"https://shop.example:x":      false,
		"https://*.shop.example":      true,
		"https://a^b":                 false,
		"https://a%00b":               false,
		"https://a%zz":                false,
		"https://a\x80":               false,
		"https://b\u00fccher.example": true,
		"https://a b":                 false,
		"https://[::1]":               true,
		"https://[::1]:8080":          true,
		"https://[::1":                false,
		"https://[1.2.3.4]":           false,
		"https://1.2.3.4":             true,
		"https://1.2":                 true,
		"https://0x7f.1":              true,
		"https://256.1.1.1":           false,
		"https://1.2.3.4.5":           false,
		"https://1.2.3.08":            false,
		"https://1..2":                false,
		"https://4294967295":          true,
		"https://4294967296":          false,
		"1https://shop.example":       false,
		"app+x-1.0:x":                 true,
		"a_b://x":                     false,
	} {
		if got := isURL(text); got != want {
			t.Errorf("isURL(%q) = %v, want %v", text, got, want)
		}
	}
}
