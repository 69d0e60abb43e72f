// Package browser is a client's half of the Fetch standard: what a browser sends
// across origins, what it makes of the answer, what a script may then read, and
// what the console of Chrome, Firefox and Safari prints when it may not.
//
// It is written from the standard (https://fetch.spec.whatwg.org) and from what
// the three engines do, and knows nothing of corsgate's own policies: it is the
// independent model that their decisions are tested against, and what `corsgate
// explain` tells a person about their browser.
//
// Everything here is a function of its arguments. There is no network, no clock
// and no state but a [Cache] that the caller holds.
package browser
