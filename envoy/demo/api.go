package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

const (
	photoSize = 48
	maxBody   = 64 << 10
)

// newAPI returns the demo's service: a small shop that has got CORS wrong, the
// way services do. It sends "*" with credentials on everything, grants every
// method and header, and lets anyone open its WebSocket. Through Envoy none of
// that reaches a browser.
func newAPI(assets assets) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/items", reply(http.StatusOK, `{"items":["lamp","rug"]}`))
	mux.HandleFunc("/v1/items/{id}", reply(http.StatusOK, `{"item":"lamp"}`))
	mux.HandleFunc("POST /v1/orders", reply(http.StatusCreated, `{"order":1,"item":"lamp"}`))
	mux.HandleFunc("GET /v1/orders/{id}", getOrder)
	mux.HandleFunc("PATCH /v1/orders/{id}", reply(http.StatusOK, `{"order":1,"count":2}`))
	mux.HandleFunc("DELETE /v1/orders/{id}", reply(http.StatusOK, `{"deleted":2}`))
	mux.HandleFunc("GET /v1/me", countVisits)
	mux.HandleFunc("GET /v1/fail", reply(http.StatusInternalServerError, `{"error":"the stock database is away"}`))
	mux.HandleFunc("GET /v1/photos/{name}", photo)
	mux.HandleFunc("GET /v1/live", echo)
	mux.HandleFunc("GET /fonts/demo.woff2", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "font/woff2")
		_, _ = w.Write(assets.font)
	})
	return wrongCORS(mux)
}

// wrongCORS adds the headers that a service must not send, and answers every
// OPTIONS with a yes.
func wrongCORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Allow-Methods", "*")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Expose-Headers", "X-Backend-Node")
		h.Set("Cache-Control", "no-store")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// reply returns a handler that always gives one JSON reply.
func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// getOrder sends one header that the policy exposes and one that it does not.
func getOrder(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Order-Version", "7")
	w.Header().Set("X-Backend-Node", "node-3")
	reply(http.StatusOK, fmt.Sprintf(`{"order":%d}`, id))(w, r)
}

// countVisits keeps a count in a cookie. SameSite=None, for a page of another
// site calls; Partitioned, for browsers that keep other sites' cookies apart by
// the page's site.
func countVisits(w http.ResponseWriter, r *http.Request) {
	visits := 1
	if c, err := r.Cookie("visits"); err == nil {
		if n, err := strconv.Atoi(c.Value); err == nil {
			visits = n + 1
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: "visits", Value: strconv.Itoa(visits), Path: "/v1/me",
		HttpOnly: true, Secure: true, SameSite: http.SameSiteNoneMode, Partitioned: true,
	})
	reply(http.StatusOK, fmt.Sprintf(`{"visits":%d}`, visits))(w, r)
}

// photo draws a small picture, a colour for each name.
func photo(w http.ResponseWriter, r *http.Request) {
	const shade, step = 90, 40
	tint := uint8(shade)
	for _, b := range []byte(r.PathValue("name")) {
		tint = tint*3 + b
	}
	img := image.NewRGBA(image.Rect(0, 0, photoSize, photoSize))
	for y := range photoSize {
		for x := range photoSize {
			band := uint8((x + y) / 8 % 2 * step)
			img.SetRGBA(x, y, color.RGBA{R: tint/2 + band, G: shade + band, B: 255 - tint/2, A: 255})
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(buf.Bytes())
}

// echo sends back what a WebSocket's client sends. It does not look at the
// handshake's Origin: that is the mistake that a gate has to make good.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered.
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}
