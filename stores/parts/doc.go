// Package parts starts the real programs that the tests of stores need. What
// cannot be had fails the test and says what to install.
package parts
