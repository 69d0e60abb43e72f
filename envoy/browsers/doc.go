// Package browsers checks the model of a browser, policy/browser, against real
// ones: a Chromium and a Firefox, on some hundred cases and a server that answers
// as each case says. What was sent, what the script could read and what the
// console printed, to the letter, must be what the model says.
//
// There are only tests in it.
package browsers
