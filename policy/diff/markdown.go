package diff

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// WriteMarkdown writes the report for a comment on a pull request.
func (r *Report) WriteMarkdown(to io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "### CORS policies: %s\n", r.Headline())
	if r.Risks > 0 {
		b.WriteString("\n**Risks**\n\n")
		for _, severity := range []Severity{SeverityHigh, SeverityMedium} {
			r.writeRisks(&b, severity)
		}
	}
	for i := range r.Changes {
		r.Changes[i].writeMarkdown(&b)
	}
	for i := range r.Guardrails {
		r.Guardrails[i].writeMarkdown(&b)
	}
	if len(r.Spelling) > 0 {
		b.WriteString("\n<details><summary>Written differently, same meaning</summary>\n\n")
		for i := range r.Spelling {
			fmt.Fprintf(&b, "- %s%s\n", escape(r.Spelling[i].Text), codeWhere(r.Spelling[i].Position))
		}
		b.WriteString("\n</details>\n")
	}
	fmt.Fprintf(&b, "\nRevision `%s` → `%s`\n", r.Before.Revision, r.After.Revision)
	if _, err := to.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (r *Report) writeRisks(b *bytes.Buffer, severity Severity) {
	for _, risk := range r.AllRisks() {
		if risk.Severity == severity {
			fmt.Fprintf(b, "- **%s** `%s`: %s; %s%s\n", severity, risk.Code, code(risk.Text), risk.Reason, codeWhere(risk.Position))
		}
	}
}

func (c *Change) writeMarkdown(b *bytes.Buffer) {
	subjects := c.subjects()
	for i := range subjects {
		if i < len(c.Targets) {
			subjects[i] = code(c.Targets[i])
		}
	}
	fmt.Fprintf(b, "\n#### %s\n\n%s\n\n", strings.Join(subjects, ", "), escape(c.governors()))
	for i := range c.Items {
		item := &c.Items[i]
		fmt.Fprintf(b, "- `%s` **%s**: %s%s\n", directionMarks[item.Direction], item.Aspect, escape(item.Text), codeWhere(item.Position))
		if item.Aspect != AspectOrigins {
			continue
		}
		for j := range item.Values {
			v := &item.Values[j]
			note := ""
			if v.Note != "" {
				note = " (" + v.Note + ")"
			}
			if v.OriginSet != "" {
				note += " in the origin set " + code(v.OriginSet)
			}
			fmt.Fprintf(b, "  - %s%s%s\n", code(v.Text), note, codeWhere(&v.Position))
		}
		if more := item.Count - len(item.Values); more > 0 {
			fmt.Fprintf(b, "  - and %s more\n", thousands(more))
		}
	}
}

// code writes a text as a code span, whatever backticks it holds.
func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence == "`" {
		return fence + s + fence
	}
	return fence + " " + s + " " + fence
}

func codeWhere(at *policy.Position) string {
	if at == nil || at.File == "" {
		return ""
	}
	return " — " + code(at.String())
}

// escape keeps what documents say from being taken for markup.
func escape(s string) string {
	return markup.Replace(s)
}

var markup = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`,
)
