package browser

import (
	"strconv"
	"strings"
)

// maxConsole bounds the text that [ParseConsole] reads.
const maxConsole = 16 << 10

// ParseConsole reads what a person copied from a browser's console and tells
// which engine printed it and why. It takes the text of [Console] and what
// people paste around it: a file and line in front or behind, Safari's [Error],
// straight quotes for curly ones, Chrome's Issues tab. The block holds what the
// engine names, and is empty elsewhere.
func ParseConsole(text string) (engine Engine, b Block, ok bool) {
	if len(text) > maxConsole {
		text = text[:maxConsole]
	}
	for line := range strings.Lines(text) {
		if b, ok := parseChrome(strings.TrimSpace(line)); ok {
			return Chrome, b, true
		}
	}
	for _, engine := range [...]Engine{Firefox, Safari, Chrome} {
		if b, ok := parseLines(engine, text); ok {
			return engine, b, true
		}
	}
	return Standard, Block{}, false
}

// parseChrome reads Chrome's frame, or that of its Issues tab.
func parseChrome(text string) (Block, bool) {
	if _, reason, ok := strings.Cut(text, chromeIssue); ok {
		return parseChromeReason(reason, Block{})
	}
	_, rest, ok := strings.Cut(text, chromeStart)
	if !ok {
		return Block{}, false
	}
	kind, rest, ok := strings.Cut(rest, chromeAt)
	if !ok {
		return Block{}, false
	}
	var b Block
	for i := range initiatorCount {
		if chromeKinds[i] == kind {
			b.Initiator = i
		}
	}
	where, reason, ok := strings.Cut(rest, chromeBlocked)
	if !ok {
		return Block{}, false
	}
	where, b.Origin, ok = cutLast(where, "' "+chromeOrigin)
	if !ok {
		// A redirect ends in "') ".
		if where, b.Origin, ok = cutLast(where, "') "+chromeOrigin); !ok {
			return Block{}, false
		}
		b.URL, b.RedirectedFrom, _ = strings.Cut(where, "' "+chromeFrom)
		return parseChromeReason(reason, b)
	}
	b.URL = where
	return parseChromeReason(reason, b)
}

// cutLast is strings.Cut around the last separator. Without one, before is s.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func parseChromeReason(reason string, b Block) (Block, bool) {
	reason, b.Preflight = strings.CutPrefix(reason, chromePreflight)
	for i := range phrases {
		p := &phrases[i]
		if p.frame != frameChrome {
			continue
		}
		if slots, ok := matchStart(p.text, reason); ok {
			b.take(p, slots)
			return b, true
		}
	}
	return Block{}, false
}

// parseLines reads phrases that stand on a line.
func parseLines(engine Engine, text string) (Block, bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if b, ok := parseLine(engine, line); ok {
			b.readSecondLine(engine, text)
			return b, true
		}
	}
	if engine == Safari {
		var b Block
		if b.readSecondLine(engine, text) {
			b.Failure = FailureUnexplained
			return b, true
		}
	}
	return Block{}, false
}

func parseLine(engine Engine, line string) (Block, bool) {
	// What Safari says of a redirect stands in front of the reason.
	reason, location := line, ""
	if _, rest, ok := strings.Cut(line, safariRedirect); ok {
		if to, why, ok := strings.Cut(rest, safariDenied); ok {
			reason, location = why, to
		}
	}
	// Mail and chat take Firefox's curly quotes for straight ones.
	straight := engine == Firefox && straightQuotes.Replace(line) == line
	for i := range phrases {
		p := &phrases[i]
		if p.engine != engine || p.frame == frameChrome {
			continue
		}
		var b Block
		text := line
		if p.frame == frameSafari {
			text, b.Location = reason, location
		}
		slots, ok := matchWithin(p.text, text)
		if !ok && straight {
			slots, ok = matchWithin(straightQuotes.Replace(p.text), text)
		}
		if ok {
			b.take(p, slots)
			return b, true
		}
	}
	return Block{}, false
}

// readSecondLine reads what Safari prints below the reason, and Firefox below
// that of a preflight.
func (b *Block) readSecondLine(engine Engine, text string) bool {
	if engine == Firefox {
		// A redirect that is no preflight's has such a line too, and says its
		// status where it lacks the header.
		lines, redirect := strings.Count(text, firefoxSecond), b.Status >= 300 && b.Status <= 399
		b.Preflight = b.Preflight || lines > 1 || lines == 1 && b.Failure != FailureNetwork && !redirect
		if _, rest, ok := strings.Cut(text, firefoxRedirect); ok && b.Failure == FailurePreflightRedirect {
			b.Status = leadingNumber(rest)
		}
	}
	if engine != Safari {
		return false
	}
	for i := range initiatorCount {
		start := safariStarts[i]
		if start == "" {
			continue
		}
		if _, rest, ok := strings.Cut(text, start); ok {
			if url, _, ok := strings.Cut(rest, safariBlocked); ok && !strings.Contains(url, "\n") {
				b.Initiator, b.URL = i, url
				return true
			}
		}
	}
	return false
}

var straightQuotes = strings.NewReplacer("‘", "'", "’", "'", "“", `"`, "”", `"`)

const (
	// firefoxSecond is how Firefox ends a line below another.
	firefoxSecond = "(Reason: CORS request did not succeed). Status code: (null)."
	// firefoxRedirect is what goes before a redirected preflight's status.
	firefoxRedirect = "(Reason: CORS preflight response did not succeed). Status code: "
)

// take copies what a phrase's slots hold.
func (b *Block) take(p *phrase, slots map[string]string) {
	b.Failure, b.Preflight = p.failure, b.Preflight || p.preflight
	if p.failure == FailureMode && !p.readOnly {
		b.Value = ModeSameOrigin.String()
	}
	for name, text := range slots {
		switch name {
		case "url":
			b.URL = text
		case "value", "hint":
			b.Value = text
			if p.engine == Chrome {
				b.Value = decodeHint(text)
			}
		case "token":
			b.Token = text
		case "sent":
			b.SentOrigin = text
		case "origin":
			b.Origin = text
		case "status":
			b.Status = leadingNumber(text)
		}
	}
	for _, name := range [...]string{"space", "space2"} {
		if text, ok := slots[name]; ok {
			b.Spaces = append(b.Spaces, text)
		}
	}
}

// leadingNumber reads the number that a text begins with, or zero.
func leadingNumber(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return 0
	}
	return n
}

// matchWithin finds a phrase anywhere in a line.
func matchWithin(phrase, line string) (slots map[string]string, ok bool) {
	start, _, _ := strings.Cut(phrase, "{")
	for from := 0; ; {
		i := strings.Index(line[from:], start)
		if i < 0 {
			return nil, false
		}
		if slots, ok := matchStart(phrase, line[from+i:]); ok {
			return slots, true
		}
		from += i + 1
		if from > len(line) {
			return nil, false
		}
	}
}

// matchStart matches a phrase with the beginning of a text. A slot reaches to the
// next literal part of the phrase; before the last part, to where that occurs
// last, since what a server sends may hold anything; and a slot at the end, to
// the end of the line.
func matchStart(phrase, text string) (slots map[string]string, ok bool) {
	slots = map[string]string{}
	literal, rest, more := strings.Cut(phrase, "{")
	text, ok = strings.CutPrefix(text, literal)
	for ok && more {
		var name string
		name, rest, _ = strings.Cut(rest, "}")
		literal, rest, more = strings.Cut(rest, "{")
		at := strings.Index(text, literal)
		switch {
		case literal == "":
			at = len(text)
			if i := strings.IndexByte(text, '\n'); i >= 0 {
				at = i
			}
		case !more:
			at = strings.LastIndex(text, literal)
		}
		if at < 0 {
			return nil, false
		}
		slots[name], text = text[:at], text[at+len(literal):]
	}
	return slots, ok
}

// decodeHint undoes encodeHint.
func decodeHint(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\u00`) && i+6 <= len(s) {
			if c, err := strconv.ParseUint(s[i+4:i+6], 16, 8); err == nil && (c < 0x20 || c >= 0x7f) {
				b.WriteByte(byte(c))
				i += 5
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
