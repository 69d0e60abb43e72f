package browser

// Engine is whose behaviour to model. The engines agree on nearly every verdict;
// they differ in the order of their checks, in what they print, and in how they
// remember preflights.
type Engine uint8

const (
	// Standard does what the Fetch standard says, and prints nothing.
	Standard Engine = iota
	// Chrome stands for all that is built on Chromium.
	Chrome
	// Firefox stands for all that is built on Gecko.
	Firefox
	// Safari stands for all that is built on WebKit.
	Safari

	engineCount
)

var engineNames = [engineCount]string{"the Fetch standard", "Chrome", "Firefox", "Safari"}

// String returns the engine's name in prose.
func (e Engine) String() string {
	if e >= engineCount {
		return "an unknown engine"
	}
	return engineNames[e]
}

// Engines returns the engines that print, in the order of their names.
func Engines() []Engine { return []Engine{Chrome, Firefox, Safari} }
