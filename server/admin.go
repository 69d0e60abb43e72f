package server

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The admin listener's bounds. Nobody sends a body to its pages, and nothing that
// they answer takes long; the policy service gives its calls their own time.
const (
	adminHeaderTimeout = 5 * time.Second
	adminReadTimeout   = 10 * time.Second
	adminWriteTimeout  = 30 * time.Second
	adminIdleTimeout   = 60 * time.Second
	adminMaxHeader     = 32 << 10 // an ID token of somebody with many groups fits in
	adminGrace         = 2 * time.Second
	// adminPing is after how long of silence an HTTP/2 client is asked whether it is
	// there, and adminPingTimeout how long it has to say so.
	adminPing        = 30 * time.Second
	adminPingTimeout = 15 * time.Second
)

// newAdminServer makes the HTTP server of the admin listener.
func newAdminServer(handler http.Handler, logger *slog.Logger) *http.Server {
	// gRPC is HTTP/2, in clear text on loopback.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: adminPing, PingTimeout: adminPingTimeout},
		Handler:           handler,
		ReadHeaderTimeout: adminHeaderTimeout,
		ReadTimeout:       adminReadTimeout,
		WriteTimeout:      adminWriteTimeout,
		IdleTimeout:       adminIdleTimeout,
		MaxHeaderBytes:    adminMaxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// adminHandler answers people and monitoring. Only the policy service can change
// anything.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("/readyz", s.readyz)
	mux.Handle("/metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelError),
	}))
	mux.HandleFunc("/policies", s.viewers(s.showPolicies))
	mux.HandleFunc("/explain", s.viewers(s.explainer()))
	mux.Handle(s.service.Handler())
	mux.HandleFunc("/{$}", s.showIndex)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusNotFound, "there is nothing here; / lists what there is")
	})
	return s.guard(mux)
}

// guard lets through what may look, and tells browsers to be careful with it.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		switch {
		case !s.hostAllowed(r.Host):
			// A page of a foreign site may point its own name at this address (DNS
			// rebinding); the browser then sends that name.
			writeText(w, http.StatusMisdirectedRequest,
				"this host name is not known here; use an IP address or localhost, or name it with --admin-host")
		case isServiceCall(r):
			next.ServeHTTP(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			writeText(w, http.StatusMethodNotAllowed, "only GET and HEAD")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostAllowed says whether a Host is one that no foreign site can own. HTTP/1.0
// without one is not a browser; a Unix socket cannot be reached by one.
func (s *Server) hostAllowed(host string) bool {
	if host == "" || strings.HasPrefix(s.options.Admin, unixScheme) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(s.options.AdminHosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// showPolicies shows what is in force: a page to browsers, JSON to the rest.
func (s *Server) showPolicies(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	view := s.view()
	var page bytes.Buffer
	if wantsHTML(r) {
		if err := s.pages.policies.Execute(&page, view); err != nil {
			s.logger.LogAttrs(r.Context(), slog.LevelError, "the page /policies cannot be written", slog.String("error", err.Error()))
			writeText(w, http.StatusInternalServerError, "the page cannot be written; the log says why")
			return
		}
		writeBody(w, http.StatusOK, "text/html; charset=utf-8", page.Bytes())
		return
	}
	encoder := json.NewEncoder(&page)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(view); err != nil {
		writeText(w, http.StatusInternalServerError, "the policies cannot be written: "+err.Error())
		return
	}
	writeBody(w, http.StatusOK, "application/json", page.Bytes())
}

// showIndex lists what there is.
func (s *Server) showIndex(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if !wantsHTML(r) {
		writeText(w, http.StatusOK, "/policies  what is in force, and how the last reload went\n"+
			"/explain   what a request would get: /explain?origin=https://…&url=https://…\n"+
			"/metrics   Prometheus metrics\n/readyz    200 when requests should come here\n/livez     200 while the program runs\n"+
			servicePath+"…  the policy service: POST a JSON object")
		return
	}
	var page bytes.Buffer
	if err := s.pages.index.Execute(&page, s.view()); err != nil {
		writeText(w, http.StatusInternalServerError, "the page cannot be written")
		return
	}
	writeBody(w, http.StatusOK, "text/html; charset=utf-8", page.Bytes())
}

// wantsHTML says whether a request asks for HTML by name, as browsers do. */*
// is what curl sends.
func wantsHTML(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if kind, parameters, err := mime.ParseMediaType(part); err == nil && kind == "text/html" && parameters["q"] != "0" {
			return true
		}
	}
	return false
}

func writeText(w http.ResponseWriter, code int, text string) {
	writeBody(w, code, "text/plain; charset=utf-8", []byte(text+"\n"))
}

func writeBody(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(code)
	_, _ = io.Copy(w, bytes.NewReader(body)) // the client may be gone; there is nobody to tell
}
