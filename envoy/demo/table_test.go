package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"fits":               {"one two", []string{"one two"}},
		"breaks at a word":   {"one two three", []string{"one two", "three"}},
		"breaks a long word": {"a http://api.localhost", []string{"a", "http://api", ".localhost"}},
		"keeps its lines":    {"one\ntwo", []string{"one", "two"}},
		"counts characters":  {"ééééé ééé é", []string{"ééééé ééé", "é"}},
		"empty":              {"", []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, wrap(c.text, 10)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// asExpected returns a result for every row in which all is as expected.
func asExpected(at addresses) []Result {
	var results []Result
	for _, row := range rows() {
		got := row.Want
		got.Console = nil
		for _, text := range row.Want.Console {
			got.Console = append(got.Console, expand(text, at.API, at.origin(row.Page)))
		}
		results = append(results, Result{Row: row, Got: got, Logged: true})
	}
	return results
}

func testAddresses() addresses {
	return addresses{API: "http://api.localhost:10000", Shop: "http://shop.localhost:8000", Evil: "http://evil.localhost:8000"}
}

// TestTableFits checks that no line is wider than the terminal, and that no word
// of what the browser said is lost, however narrow it is.
func TestTableFits(t *testing.T) {
	t.Parallel()
	at := testAddresses()
	for _, width := range []int{80, 100, 160} {
		var out strings.Builder
		results := asExpected(at)
		if wrong := (table{out: &out, width: width, at: at}).print(results); wrong != 0 {
			t.Errorf("width %d: %d rows are wrong, want none", width, wrong)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: a line has %d characters: %q", width, n, line)
			}
		}
		printed := strings.Join(strings.Fields(out.String()), " ")
		for _, r := range results {
			texts := append([]string{r.Got.Saw, r.Got.Decision.String()}, r.Got.Console...)
			for _, text := range texts {
				if text != companion && !strings.Contains(printed, text) {
					t.Errorf("width %d: the table does not show %q", width, text)
				}
			}
		}
	}
}

func TestTableRow(t *testing.T) {
	t.Parallel()
	at := testAddresses()
	header := Result{Row: rows()[1], Logged: true, Got: asExpected(at)[1].Got}
	for name, c := range map[string]struct {
		width  int
		colour bool
		change func(*Result)
		want   string
		wrong  int
	}{
		"narrow": {
			width: 80,
			want: `
   FROM  CALL                                    EXPECTED     BROWSER
✓  evil  GET /v1/items                           blocked      blocked
         corsgate    deny origin_not_allowed (catalog)
         script saw  TypeError: Failed to fetch
         console     Access to fetch at 'http://api.localhost:10000/v1/items'
                     from origin 'http://evil.localhost:8000' has been blocked
                     by CORS policy: No 'Access-Control-Allow-Origin' header is
                     present on the requested resource.
`,
		},
		"wide": {
			width: 160,
			want: `
   FROM  CALL                                    EXPECTED     BROWSER      CORSGATE
✓  evil  GET /v1/items                           blocked      blocked      deny origin_not_allowed (catalog)
         script saw  TypeError: Failed to fetch
         console     Access to fetch at 'http://api.localhost:10000/v1/items' from origin 'http://evil.localhost:8000' has been blocked by CORS policy: No
                     'Access-Control-Allow-Origin' header is present on the requested resource.
`,
		},
		"wrong": {
			width: 100,
			change: func(r *Result) {
				r.Got = Outcome{Through: true, Saw: "200 secrets"}
				r.Logged = false
			},
			wrong: 1,
			want: `
   FROM  CALL                                    EXPECTED     BROWSER
✗  evil  GET /v1/items                           blocked      let through
         script saw  200 secrets
         wrong       browser: expected "blocked", got "let through"
         wrong       script saw: expected "TypeError: Failed to fetch", got "200 secrets"
         wrong       console: expected "Access to fetch at 'http://api.localhost:10000/v1/items'
                     from origin 'http://evil.localhost:8000' has been blocked by CORS policy: No
                     'Access-Control-Allow-Origin' header is present on the requested
                     resource.\nFailed to load resource: net::ERR_FAILED", got ""
`,
		},
		"colour": {
			width: 100, colour: true,
			change: func(r *Result) { r.Got.Console, r.Want.Console = nil, nil },
			want: "\n\x1b[1m   \x1b[0m\x1b[1mFROM  \x1b[0m\x1b[1mCALL                                    \x1b[0m" +
				"\x1b[1mEXPECTED     \x1b[0m\x1b[1mBROWSER      \x1b[0m\n" +
				"\x1b[32m✓  \x1b[0mevil  GET /v1/items                           blocked      blocked\n" +
				"\x1b[2m         corsgate    \x1b[0mdeny origin_not_allowed (catalog)\n" +
				"\x1b[2m         script saw  \x1b[0mTypeError: Failed to fetch\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := header
			if c.change != nil {
				c.change(&r)
			}
			var out strings.Builder
			wrong := table{out: &out, width: c.width, colour: c.colour, at: at}.print([]Result{r})
			if wrong != c.wrong {
				t.Errorf("%d rows are wrong, want %d", wrong, c.wrong)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), out.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
