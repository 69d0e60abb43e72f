// Package explain says why a browser may or may not do what a page asks: what it
// sends, which policy governs and which of its rules decides, what is answered,
// what Chrome, Firefox and Safari make of that, and the smallest change to the
// policies that would allow it.
//
// It decides nothing by itself. What is answered is what [policy.Set.Decide]
// answers, what browsers do is what package browser models, and a change is
// offered only after it was applied to the documents, compiled and decided anew.
//
// The package is pure: policies and a [Question] in, an [Explanation] out.
// [Explanation.WriteText] writes it for people; its JSON is for programs, and is
// stable: fields are added to it, and none changes its meaning.
package explain
