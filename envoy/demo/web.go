package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
)

//go:embed static
var static embed.FS //nolint:gochecknoglobals // What go:embed fills, never written.

// assets are the files of the demo.
type assets struct {
	page                *template.Template
	script, style, font []byte
}

// loadAssets reads the embedded files.
func loadAssets() (assets, error) {
	var a assets
	page, err := template.ParseFS(static, "static/page.html")
	if err != nil {
		return a, fmt.Errorf("parse the page: %w", err)
	}
	a.page = page
	for name, into := range map[string]*[]byte{"run.js": &a.script, "style.css": &a.style, "demo.woff2": &a.font} {
		if *into, err = static.ReadFile("static/" + name); err != nil {
			return a, fmt.Errorf("read an embedded file: %w", err)
		}
	}
	return a, nil
}

// addresses are where a person, or a browser, finds the parts of the demo. Each
// is an origin, such as http://api.localhost:10000.
type addresses struct {
	API, Shop, Evil string
	// Policies is corsgate's page of policies, EnvoyAdmin Envoy's admin page.
	Policies, EnvoyAdmin string
}

// origin returns the origin of a page's host.
func (a addresses) origin(host string) string {
	if host == shopHost {
		return a.Shop
	}
	return a.Evil
}

// pageCall is a call as a page knows it: with what is expected of it there.
type pageCall struct {
	Call

	Through bool `json:"through"`
}

// pageData is what the page's template shows.
type pageData struct {
	Role, Host, API, APIHost, Other, Policies, Envoy string

	Calls []pageCall
	Data  template.JS
}

// newWeb returns the demo's web server. It serves one page under two host names:
// the shop's, which the policies list, and any other, which they do not.
func newWeb(files assets, at addresses) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		data, err := newPageData(r.Host, at)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = files.page.Execute(w, data)
	})
	mux.HandleFunc("GET /run.js", file("text/javascript; charset=utf-8", files.script))
	mux.HandleFunc("GET /style.css", file("text/css; charset=utf-8", files.style))
	return mux
}

func newPageData(authority string, at addresses) (pageData, error) {
	data := pageData{
		Role: "evil", Host: evilHost, Other: at.Shop + "/",
		API: at.API, APIHost: apiHost, Policies: at.Policies, Envoy: at.EnvoyAdmin,
	}
	if host, _, err := net.SplitHostPort(authority); err == nil && host == shopHost {
		data.Role, data.Host, data.Other = "shop", shopHost, at.Evil+"/"
	}
	for _, row := range rows() {
		if row.Page == data.Host {
			data.Calls = append(data.Calls, pageCall{Call: row.Call, Through: row.Want.Through})
		}
	}
	script, err := json.Marshal(map[string]any{"api": at.API, "calls": data.Calls})
	if err != nil {
		return data, fmt.Errorf("encode the calls: %w", err)
	}
	data.Data = template.JS(script)
	return data, nil
}

// file returns a handler that serves one embedded file.
func file(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(content)
	}
}
