package main

import (
	"errors"
	"strconv"
)

// revision is a setting of a revision of the central store. Zero, if it is given,
// is that of an empty store.
type revision struct {
	value int64
	set   bool
}

// String returns the number.
func (r *revision) String() string {
	if !r.set {
		return ""
	}
	return strconv.FormatInt(r.value, 10)
}

// Set reads a number.
func (r *revision) Set(value string) error {
	parsed, err := parseRevision(value)
	if err != nil {
		return err
	}
	r.value, r.set = parsed, true
	return nil
}

// Type is what help texts show in place of the value.
func (r *revision) Type() string { return "revision" }

// given returns the revision, or nil where there is none.
func (r *revision) given() *int64 {
	if !r.set {
		return nil
	}
	return &r.value
}

// revisionText returns a revision for a table: what comes from elsewhere than a
// store has none.
func revisionText(value int64) string {
	if value == 0 {
		return none
	}
	return strconv.FormatInt(value, 10)
}

// parseRevision reads the number of a revision.
func parseRevision(value string) (int64, error) {
	parsed, err := strconv.ParseInt(value, 10, 64)
	if err != nil || parsed < 0 {
		return 0, errors.New("it must be the number of a revision, such as 12, as corsgate history lists them")
	}
	return parsed, nil
}
