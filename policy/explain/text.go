package explain

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteText writes the explanation for people.
func (e *Explanation) WriteText(to io.Writer, style Style) error {
	p := &page{style: style}
	how := red
	switch e.Outcome {
	case OutcomeAllowed:
		how = green
	case OutcomeServiceDecides, OutcomePartial:
		how = bold
	case OutcomeBlocked:
	}
	p.prose(0, how, e.Summary)
	e.writeRequest(p)
	e.writePolicy(p)
	e.writeAnswers(p)
	e.writeBrowsers(p)
	e.writeNotes(p)
	e.writeChange(p)
	return p.write(to)
}

func (e *Explanation) writeRequest(p *page) {
	p.heading("The request")
	p.prose(2, plain, e.Relation.Text)
	switch {
	case !e.Relation.CrossOrigin:
	case e.Question.Mode == "cors" && e.NeedsPreflight:
		p.prose(2, plain, "The browser asks before it sends it (a preflight), because of")
		for _, c := range e.Causes {
			p.item(4, c.Text)
		}
	case e.Question.Mode == "cors":
		p.prose(2, plain, "It is a simple request: the browser sends it without asking, and looks at the answer before the script may.")
	case e.Question.Mode == "websocket":
		p.prose(2, plain, "It is a WebSocket's handshake: browsers send it without asking.")
	case e.Question.Mode == "navigate":
		p.prose(2, plain, "It is a navigation: browsers send it without asking, and show the answer as a page.")
	default:
		p.prose(2, plain, "Its mode is "+e.Question.Mode+": browsers send it without asking.")
	}
}

func (e *Explanation) writePolicy(p *page) {
	g := &e.Governing
	if e.Request == nil && e.Preflight == nil {
		return
	}
	p.heading("The policy")
	switch {
	case g.By == "none":
		p.prose(2, plain, "No policy governs it.")
		if n := g.Nearest; n != nil {
			p.prose(2, plain, fmt.Sprintf("Nearest is %s of the policy %s, but %s.", n.Target, n.Policy, n.Why))
			p.line(4, dim, n.Position.String())
		}
		return
	case g.By == "route" && g.Enforcement == "":
		p.prose(2, plain, fmt.Sprintf("The route names the policy %s, which is not loaded, so no other one governs it.", g.Policy))
		if n := g.Nearest; n != nil {
			p.prose(2, plain, fmt.Sprintf("Is %s meant?", n.Policy))
			p.line(4, dim, n.Position.String())
		}
		return
	case g.By == "route":
		p.prose(2, plain, g.Policy+" governs it, since the route names it: targets are not looked at.")
		p.line(4, dim, g.Position.String())
	default:
		text := g.Policy + " governs it"
		if g.Target != nil {
			text += ", by its target " + g.Target.Target
		}
		p.prose(2, plain, text+".")
		if g.Target != nil {
			p.line(4, dim, g.Target.Position.String())
		}
		e.writeOthers(p)
	}
	switch g.Enforcement {
	case "REPORT_ONLY":
		p.prose(2, bold, "It is only reported (enforcement: REPORT_ONLY): what follows is decided and recorded, and changes nothing.")
	case "DISABLED":
		p.prose(2, bold, "It is switched off (enforcement: DISABLED).")
	}
	e.writeRule(p)
}

func (e *Explanation) writeOthers(p *page) {
	if len(e.Governing.Others) == 0 {
		return
	}
	p.prose(2, plain, "These match too, but less specifically:")
	for _, o := range e.Governing.Others {
		p.item(4, fmt.Sprintf("%s of %s: %s", o.Target, o.Policy, o.Why))
		p.line(6, dim, o.Position.String())
	}
}

// writeRule says which rule decided what.
func (e *Explanation) writeRule(p *page) {
	a := e.decisive()
	if a == nil || a.Rule == nil {
		return
	}
	r := a.Rule
	field, text := strings.TrimPrefix(r.Field, "spec."), r.Text
	switch {
	case strings.HasSuffix(field, "]"), strings.HasSuffix(field, ".origin"):
		p.prose(2, plain, fmt.Sprintf("What decides is %s, which says %s:", field, text))
	case text == "":
		p.prose(2, plain, fmt.Sprintf("What decides is %s, which the policy leaves out:", field))
	default:
		p.prose(2, plain, "What decides is")
		p.line(4, plain, field+": "+text)
	}
	p.line(4, dim, r.Position.String())
	if r.Why != "" {
		p.prose(2, plain, sentence(r.Why))
	}
	if r.Near != nil {
		p.prose(2, plain, fmt.Sprintf("Nearest is %s, but %s.", r.Near.Text, r.Near.Why))
		p.line(4, dim, r.Near.Position.String())
	}
}

// decisive is the answer that settled it.
func (e *Explanation) decisive() *Answer {
	if e.Preflight != nil && e.Preflight.Verdict == "deny" {
		return e.Preflight
	}
	return e.Request
}

func (e *Explanation) writeAnswers(p *page) {
	if e.Request == nil && e.Preflight == nil {
		return
	}
	p.heading("What corsgate answers")
	if e.Preflight != nil {
		p.prose(2, plain, "To the preflight:")
		e.Preflight.writeText(p)
	}
	if e.Request != nil {
		switch {
		case e.Preflight == nil:
		case e.Outcome == OutcomeServiceDecides:
			p.prose(2, plain, "To the request itself, if the service's answer to the preflight lets browsers send it:")
		case e.Request.Sent:
			p.prose(2, plain, "To the request itself:")
		default:
			p.prose(2, plain, "To the request itself, which browsers do not get to send:")
		}
		e.Request.writeText(p)
	}
	p.prose(2, dim, "What the route adds or strips besides is Envoy's matter.")
}

func (a *Answer) writeText(p *page) {
	p.line(4, plain, a.Method+" "+a.URL)
	for _, h := range a.RequestHeaders {
		switch h.Name {
		case "origin", "access-control-request-method", "access-control-request-headers", "sec-fetch-site", "sec-fetch-mode", "upgrade":
			p.line(6, dim, h.Name+": "+h.Value)
		}
	}
	how := green
	if a.Verdict == "deny" {
		how = red
	}
	what := strconv.Itoa(a.Status)
	if a.Status == 0 {
		what = "to the service"
	}
	p.line(4, how, fmt.Sprintf("→ %s  %s, %s", what, a.Verdict, a.Reason))
	for _, h := range a.Headers {
		line := h.Name + ": " + h.Value
		switch h.Write {
		case "append":
			line += "    (beside the service's own)"
		case "replace":
			line += "    (only in place of the service's own)"
		}
		p.line(6, plain, line)
	}
	if a.Status == 0 && len(a.Headers) == 0 {
		p.line(6, dim, "no header is added")
	}
	if a.Body != "" {
		p.lines(6, plain, a.Body)
	}
}

func (e *Explanation) writeBrowsers(p *page) {
	if len(e.Browsers) == 0 {
		return
	}
	p.heading("What browsers do")
	for i := range e.Browsers {
		e.Browsers[i].writeText(p, e.Question.Mode, e.Verdict == "deny")
	}
	e.writeMemory(p)
}

// opaqueText says what becomes of a response that no script reads.
func opaqueText(mode string, refused bool) string {
	switch {
	case mode == "navigate" && refused:
		return "shows corsgate's 403 in place of the page"
	case mode == "navigate":
		return "shows the service's answer as a page"
	case refused:
		return "gets corsgate's 403, and the script cannot tell"
	}
	return "takes the response, and lets no script read it"
}

func (b *Browser) writeText(p *page, mode string, refused bool) {
	switch b.Access {
	case "readable":
		text := b.Engine + " hands the response to the script"
		if refused {
			text = b.Engine + " hands corsgate's 403 to the script, and prints no CORS error"
		}
		if len(b.Unreadable) > 0 {
			text += ", but without " + joinAnd(b.Unreadable)
		}
		p.prose(2, plain, text+".")
		return
	case "opaque":
		p.prose(2, plain, b.Engine+" "+opaqueText(mode, refused)+".")
		return
	}
	if b.Console == "" {
		p.prose(2, plain, b.Engine+" blocks it, and prints no more than that a network request failed.")
	} else {
		p.prose(2, plain, b.Engine+" blocks it, and prints")
		p.lines(4, red, b.Console)
	}
	if b.MDN != "" {
		p.line(4, dim, b.MDN)
	}
}

// writeMemory says how often preflights come.
func (e *Explanation) writeMemory(p *page) {
	var parts []string
	for i := range e.Browsers {
		if seconds := e.Browsers[i].RemembersSeconds; seconds != nil {
			parts = append(parts, e.Browsers[i].Engine+" "+durationText(*seconds))
		}
	}
	if len(parts) > 0 {
		p.prose(2, plain, "For how long they ask no more for the same: "+strings.Join(parts, ", ")+".")
	}
}

// durationText writes seconds for people.
func durationText(seconds int) string {
	if seconds == 0 {
		return "not at all"
	}
	text := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (e *Explanation) writeNotes(p *page) {
	if len(e.Notes) == 0 {
		return
	}
	p.heading("Good to know")
	for _, note := range e.Notes {
		p.prose(2, plain, note.Text)
	}
}

func (e *Explanation) writeChange(p *page) {
	switch {
	case e.NoChange != nil:
		p.heading("What would allow it")
		p.prose(2, plain, e.NoChange.Text)
		return
	case e.Change == nil:
		return
	}
	c := e.Change
	p.heading("What would allow it")
	if c.NewDocument != "" {
		p.prose(2, plain, "A policy of its own, as a new file:")
		p.lines(4, green, c.NewDocument)
	} else {
		p.prose(2, plain, "This change to the policy "+c.Policy+":")
	}
	for i := range c.Edits {
		c.Edits[i].writeText(p)
	}
	p.prose(2, dim, "Tried: with it the policies are valid, and the call is allowed.")
	for _, note := range c.Consequences {
		p.prose(2, plain, note.Text)
	}
}

func (e *Edit) writeText(p *page) {
	where := e.Position.String()
	if len(e.Old) == 0 {
		where = "below " + where
	}
	p.line(4, dim, where)
	for _, line := range e.Old {
		p.line(4, red, "- "+line)
	}
	for _, line := range e.New {
		p.line(4, green, "+ "+line)
	}
}

// WriteText writes what a console's text means, for people.
func (c *Console) WriteText(to io.Writer, style Style) error {
	p := &page{style: style}
	if c.Known {
		p.prose(0, bold, fmt.Sprintf("This is %s's text for %s.", c.Engine, c.Failure))
	}
	p.prose(0, plain, c.Cause)
	p.prose(0, plain, "Next: "+lowerFirst(c.Next))
	if c.MDN != "" {
		p.line(0, dim, c.MDN)
	}
	return p.write(to)
}
