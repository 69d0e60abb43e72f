package browser

import (
	"strconv"
	"strings"
)

// Console returns what an engine prints when it blocks a request: its literal
// text, as far as it is about the policies of origins. It is "" where the engine
// prints nothing, or no more than that a network request failed. Safari prints
// two lines, and so does Firefox for a preflight.
func Console(engine Engine, b *Block) string {
	for i := range phrases {
		p := &phrases[i]
		if p.engine == engine && p.failure == b.Failure && p.fits(b) {
			return p.print(b)
		}
	}
	return ""
}

// A phrase is how one engine words one failure. Its text holds slots, such as
// {url}, for what differs from case to case: the same text prints and parses.
type phrase struct {
	engine  Engine
	failure Failure
	text    string
	// frame is what goes around the text.
	frame frame
	// suffix follows it for one kind of request.
	suffix          string
	suffixInitiator Initiator
	// preflight says that the failure is of a preflight by its nature.
	preflight bool
	// readOnly says that the text is understood and not printed.
	readOnly bool
}

// frame is what an engine prints around all of its texts of one kind.
type frame uint8

const (
	// framePlain is nothing.
	framePlain frame = iota
	// frameChrome names the resource and the page in front.
	frameChrome
	// frameSafari adds a second line.
	frameSafari
	// frameFirefox adds a line for each request that failed with the first.
	frameFirefox
)

// fits reports whether a phrase is the one for a block: some failures print
// nothing where what they would name is not known.
func (p *phrase) fits(b *Block) bool {
	switch {
	case p.readOnly:
		return false
	case p.engine == Chrome && p.failure == FailureMode:
		// A method of mode no-cors is an exception alone, and a redirect is
		// told with the page's own URL.
		return b.Value == ModeSameOrigin.String() && b.RedirectedFrom == ""
	case p.engine == Chrome && p.failure == FailureRedirectScheme:
		return !strings.HasPrefix(b.Location, "data:") // It is fetched, and no more is said.
	}
	spaces := strings.Count(p.text, "{space}") + strings.Count(p.text, "{space2}")
	return spaces == 0 || spaces == len(b.Spaces)
}

func (p *phrase) print(b *Block) string {
	text := fill(p.text, p.engine, b)
	if p.suffix != "" && p.suffixInitiator == b.Initiator {
		text += p.suffix
	}
	switch p.frame {
	case frameChrome:
		return printChrome(b, text)
	case frameSafari:
		return printSafari(b, text)
	case frameFirefox:
		return printFirefox(b, text, p.preflight)
	case framePlain:
	}
	return text
}

// Parts of Chrome's frame.
const (
	chromeStart     = "Access to "
	chromeAt        = " at '"
	chromeFrom      = "(redirected from '"
	chromeOrigin    = "from origin '"
	chromeBlocked   = "' has been blocked by CORS policy: "
	chromeIssue     = "Access blocked by CORS policy: "
	chromePreflight = "Response to preflight request doesn't pass access control check: "
)

func printChrome(b *Block, text string) string {
	at, from := b.URL, b.RedirectedFrom
	if b.Failure == FailureRedirectScheme && b.Location != "" {
		if from == "" {
			from = at
		}
		at = b.Location
	}
	var s strings.Builder
	s.WriteString(chromeStart + chromeKinds[b.Initiator] + chromeAt + at + "' ")
	if from != "" {
		s.WriteString(chromeFrom + from + "') ")
	}
	s.WriteString(chromeOrigin + b.Origin + chromeBlocked)
	if isPreflightAnswer(b.Failure) || b.Preflight && isAccessFailure(b.Failure) {
		s.WriteString(chromePreflight)
	}
	s.WriteString(text)
	return s.String()
}

// isPreflightAnswer reports whether a failure is of a preflight's answer as a
// whole, rather than of what it permits.
func isPreflightAnswer(why Failure) bool {
	switch why {
	case FailurePreflightStatus, FailurePreflightRedirect, FailurePrivateMissing, FailurePrivateInvalid:
		return true
	}
	return false
}

// printFirefox adds what Firefox says of each request that a failure takes along:
// a preflight's own, where it was redirected, and the one that waits for it.
func printFirefox(b *Block, text string, preflight bool) string {
	second := "\n" + fill(firefoxFailed, Firefox, &Block{URL: b.URL})
	if b.Location != "" && isAccessFailure(b.Failure) {
		text += second
	}
	if b.Failure == FailurePreflightRedirect && b.Status != 0 {
		text += "\n" + fill(firefoxPreflight, Firefox, b)
	}
	if b.Preflight || preflight {
		text += second
	}
	return text
}

// Parts of Safari's frame.
const (
	safariRedirect = "Cross-origin redirection to "
	safariDenied   = " denied by Cross-Origin Resource Sharing policy: "
	safariBlocked  = " due to access control checks."
)

func printSafari(b *Block, text string) string {
	if b.Location != "" && !b.Preflight {
		text = safariRedirect + b.Location + safariDenied + text
	}
	if start := safariStarts[b.Initiator]; start != "" {
		text += "\n" + start + b.URL + safariBlocked
	}
	return text
}

// fill puts what a block holds into a phrase's slots. {hint} is one that Chrome
// leaves empty.
func fill(text string, engine Engine, b *Block) string {
	value, status := b.Value, strconv.Itoa(b.Status)
	switch engine {
	case Chrome:
		value = encodeHint(value)
	case Firefox:
		value = string([]rune(value)) // A byte that is no UTF-8 becomes U+FFFD.
		if b.Status == 0 {
			status = "(null)"
		}
	}
	space, space2 := "", ""
	if len(b.Spaces) > 0 {
		space = b.Spaces[0]
	}
	if len(b.Spaces) > 1 {
		space2 = b.Spaces[1]
	}
	return strings.NewReplacer(
		"{url}", b.URL, "{value}", value, "{token}", b.Token, "{status}", status, "{sent}", b.SentOrigin, "{origin}", b.Origin,
		"{schemes}", chromeSchemes, "{hint}", "", "{space}", space, "{space2}", space2,
	).Replace(text)
}

// encodeHint writes what cannot be printed as Chrome does.
func encodeHint(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			b.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			b.WriteString(`\u00` + string(digits[c>>4]) + string(digits[c&0xf]))
		}
	}
	return b.String()
}
