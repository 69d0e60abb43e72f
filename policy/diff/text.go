package diff

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// directionMarks begin the lines of items.
var directionMarks = map[Direction]string{Gain: "+", Loss: "-", Same: "~"}

// WriteText writes the report for people to read in a terminal.
func (r *Report) WriteText(to io.Writer) error {
	var b bytes.Buffer
	for i := range r.Changes {
		r.Changes[i].writeText(&b)
		b.WriteByte('\n')
	}
	for i := range r.Guardrails {
		r.Guardrails[i].writeText(&b)
		b.WriteByte('\n')
	}
	for i := range r.Spelling {
		fmt.Fprintf(&b, "= %s%s\n", r.Spelling[i].Text, where(r.Spelling[i].Position))
	}
	if len(r.Spelling) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(r.Headline())
	b.WriteByte('\n')
	if _, err := to.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Headline sums the report up.
func (r *Report) Headline() string {
	s := "no change in meaning"
	if r.Meaning == MeaningChanged {
		s = count(len(r.Changes), "change", "changes") + ": " + count(r.Gains, "gain", "gains") + ", " + count(r.Losses, "loss", "losses")
	}
	s += r.guardrailsChanged()
	if r.Risks > 0 {
		s += ", " + count(r.Risks, "risk", "risks") + " to look at"
		if high := r.severe(); high > 0 {
			s += " (" + strconv.Itoa(high) + " high)"
		}
	}
	return s
}

func (r *Report) severe() int {
	n := 0
	for _, risk := range r.AllRisks() {
		if risk.Severity == SeverityHigh {
			n++
		}
	}
	return n
}

func (c *Change) writeText(b *bytes.Buffer) {
	b.WriteString(strings.Join(c.subjects(), "\n"))
	fmt.Fprintf(b, "\n  %s\n", c.governors())
	for i := range c.Items {
		c.Items[i].writeText(b)
	}
	writeRisksText(b, c.Risks)
}

func writeRisksText(b *bytes.Buffer, risks []Risk) {
	for i := range risks {
		risk := &risks[i]
		fmt.Fprintf(b, "  ! %s %s: %s; %s%s\n", risk.Severity, risk.Code, risk.Text, risk.Reason, where(risk.Position))
	}
}

// subjects says what requests a change is about, a line each.
func (c *Change) subjects() []string {
	out := make([]string, 0, len(c.Targets)+len(c.Routes)+1)
	for _, target := range c.Targets {
		if target == everything {
			target = "* (every other request)"
		}
		out = append(out, target)
	}
	if more := c.TargetCount - len(c.Targets); more > 0 {
		out = append(out, "and "+count(more, "other target", "other targets"))
	}
	if c.TargetCount == 0 { // else routes get what the targets do
		out = append(out, "routes that name "+strings.Join(c.Routes, ", "))
	}
	return out
}

// everything is the target that matches every host and path.
const everything = "*"

// governors says which policy governs, before and after.
func (c *Change) governors() string {
	switch {
	case c.Before == nil && c.After == nil:
		return "no policy"
	case c.Before == nil:
		return "no policy before; now " + c.After.String()
	case c.After == nil:
		return c.Before.String() + " before; no policy now"
	case c.Before.Policy == c.After.Policy:
		return c.After.String()
	}
	return c.Before.String() + " before; now " + c.After.String()
}

// String names the policy and says where it stands.
func (g *Governor) String() string {
	s := "policy " + g.Policy
	if g.Enforcement != policy.EnforcementEnforce.String() {
		s += " (" + g.Enforcement + ")"
	}
	if g.Barred {
		s += " (barred by a guardrail)"
	}
	return s + where(&g.Position)
}

func (i *Item) writeText(b *bytes.Buffer) {
	at := where(i.Position)
	fmt.Fprintf(b, "  %s %s: %s%s\n", directionMarks[i.Direction], i.Aspect, i.Text, at)
	if i.Aspect != AspectOrigins {
		return // the text has named the values
	}
	for j := range i.Values {
		fmt.Fprintf(b, "      %s\n", i.Values[j].String())
	}
	if more := i.Count - len(i.Values); more > 0 {
		fmt.Fprintf(b, "      and %s more\n", thousands(more))
	}
}

// String says what the value is, and where it stands.
func (v *Value) String() string {
	s := v.Text
	if v.Note != "" {
		s += " (" + v.Note + ")"
	}
	if v.OriginSet != "" {
		s += " in the origin set " + v.OriginSet
	}
	return s + where(&v.Position)
}

func where(at *policy.Position) string {
	if at == nil || at.File == "" {
		return ""
	}
	return "  [" + at.String() + "]"
}

// thousands writes a number with its thousands apart.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count returns a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}
