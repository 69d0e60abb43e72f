package main

import (
	"os"
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
		if wrong := (table{out: &out, width: width, at: at}).render(results); wrong != 0 {
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

// TestTableRow compares a row, as it is printed, with testdata/row-*.txt.
func TestTableRow(t *testing.T) {
	t.Parallel()
	at := testAddresses()
	right := asExpected(at)[1]
	for name, c := range map[string]struct {
		width  int
		colour bool
		change func(*Result)
		wrong  int
	}{
		"narrow": {width: 80},
		"wide":   {width: 160},
		"wrong": {
			width: 100,
			change: func(r *Result) {
				r.Got = Outcome{Through: true, Saw: "200 secrets"}
				r.Logged = false
			},
			wrong: 1,
		},
		"colour": {
			width: 100, colour: true,
			change: func(r *Result) { r.Got.Console, r.Want.Console = nil, nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile("testdata/row-" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			r := right
			if c.change != nil {
				c.change(&r)
			}
			var out strings.Builder
			wrong := table{out: &out, width: c.width, colour: c.colour, at: at}.render([]Result{r})
			if wrong != c.wrong {
				t.Errorf("%d rows are wrong, want %d", wrong, c.wrong)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
