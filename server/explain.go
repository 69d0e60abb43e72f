package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/corsgate/corsgate/policy/explain"
)

// explainer explains a request with the policies in force. One is explained at a
// time: trying a change compiles all policies anew, and must not take the
// machine away from those who decide.
func (s *Server) explainer() http.HandlerFunc {
	turn := make(chan struct{}, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
		default:
			writeText(w, http.StatusForbidden, "pages of other sites may not ask")
			return
		}
		question, err := explain.ParseQuestion(r.URL.Query())
		if err != nil {
			writeText(w, http.StatusBadRequest, err.Error())
			return
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-r.Context().Done():
			return
		}
		s.explain(w, r, question)
	}
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request, question explain.Question) {
	status := s.policies.Status()
	if status.Set == nil {
		writeText(w, http.StatusServiceUnavailable, "policies are not loaded yet")
		return
	}
	options := s.options.Policy
	options.Now, options.Previous = s.policies.now(), status.Set
	explanation, err := explain.Explain(explain.Policies{Set: status.Set, Documents: status.Documents, Options: options}, question)
	if err != nil {
		s.logger.LogAttrs(r.Context(), slog.LevelError, "a request cannot be explained", slog.String("error", err.Error()))
		writeText(w, http.StatusInternalServerError, "the request cannot be explained; the log says why")
		return
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(explanation); err != nil {
		writeText(w, http.StatusInternalServerError, "the explanation cannot be written: "+err.Error())
		return
	}
	writeBody(w, http.StatusOK, "application/json", body.Bytes())
}
