// Package diff says what a change of policies means, not what it spells: who may
// do more than before and who may do less, request by request of all that there
// could be, and what of it is a risk.
//
// It is for whoever reviews a change. Which policy governs a request and whether
// an origin may call, the compiled sets themselves are asked; the package only
// divides the requests into parts for which the answer is the same.
//
// It would rather name a difference that nobody can see than keep silent about
// one: where patterns are hard to compare it reports a gain and a loss. Two
// lists that hold the same by different patterns, none of which covers the
// other, are such a case, and so are regular expressions.
package diff
