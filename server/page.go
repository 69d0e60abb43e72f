package server

import (
	_ "embed" // for the pages below
	"fmt"
	"html/template"
	"time"
)

// maxShown is how many entries of a list the page shows. JSON has all.
const maxShown = 24

//go:embed page.css
var pageStyle string

//go:embed policies.html
var policiesSource string

//go:embed index.html
var indexSource string

// pages are what the admin listener shows to browsers.
type pages struct {
	policies *template.Template
	index    *template.Template
}

// parsePages reads the pages, which are part of the program.
func parsePages() (*pages, error) {
	policies, err := parsePage("policies", policiesSource)
	if err != nil {
		return nil, err
	}
	index, err := parsePage("index", indexSource)
	if err != nil {
		return nil, err
	}
	return &pages{policies: policies, index: index}, nil
}

func parsePage(name, text string) (*template.Template, error) {
	page, err := template.New(name).Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // it is part of the program
		"first": func(list []string) []string { return list[:min(len(list), maxShown)] },
		"more":  func(list []string) int { return max(0, len(list)-maxShown) },
		"when": func(t *time.Time) string {
			if t == nil {
				return "never"
			}
			return t.Format("2006-01-02 15:04:05 UTC")
		},
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the page %s: %w", name, err)
	}
	return page, nil
}
