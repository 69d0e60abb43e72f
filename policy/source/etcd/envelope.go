package etcd

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// format is the one that this version writes, and the newest that it reads.
const format = 1

// An envelope is the value of a key of the log, and of the checkpoint.
type envelope struct {
	Format int `json:"format"`
	// SHA256 is that of the body, in hexadecimal digits.
	SHA256 string `json:"sha256"`
	// Body is JSON. Where it is too large for a value, Blobs are what it was cut
	// into.
	Body  json.RawMessage `json:"body,omitempty"`
	Blobs []string        `json:"blobs,omitempty"`
}

// hashOf returns the SHA-256 of some data in hexadecimal digits.
func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// seal writes an envelope. What is too large goes to the blobs.
func seal(content any, to *blobs) (value []byte, sum string, err error) {
	body, err := json.Marshal(content)
	if err != nil {
		return nil, "", fmt.Errorf("write an envelope: %w", err)
	}
	e := envelope{Format: format, SHA256: hashOf(body), Body: body}
	if len(body) > maxBody {
		e.Body, e.Blobs = nil, to.cut(body)
	}
	value, err = json.Marshal(e)
	if err != nil {
		return nil, "", fmt.Errorf("write an envelope: %w", err)
	}
	return value, e.SHA256, nil
}

// open reads an envelope as far as it goes without its blobs.
func open(value []byte) (*envelope, error) {
	var e envelope
	if len(value) > maxValue {
		return nil, fault{codeTooLarge, fmt.Sprintf("it has %d bytes, and %d are the limit", len(value), maxValue), mendForeign}
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, fault{codeCorrupt, "it is not what corsgate writes: " + err.Error(), mendCorrupt}
	}
	switch {
	case e.Format > format:
		return nil, fault{
			codeFormat, fmt.Sprintf("it is of format %d, which a later version wrote; this one knows format %d", e.Format, format),
			"upgrade this corsgate",
		}
	case e.Format < 1:
		return nil, fault{codeCorrupt, "it names no format, so corsgate did not write it", mendCorrupt}
	case len(e.Blobs) > maxBlobs:
		return nil, fault{codeTooLarge, fmt.Sprintf("it is cut into %d blobs, and %d are the limit", len(e.Blobs), maxBlobs), mendForeign}
	}
	return &e, nil
}

// read reads the body, which was fetched if it was cut.
func (e *envelope) read(body []byte, into any) error {
	if sum := hashOf(body); sum != e.SHA256 {
		return fault{codeCorrupt, fmt.Sprintf("its content has the SHA-256 %.12s…, and it should have %.12s…", sum, e.SHA256), mendCorrupt}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault{codeCorrupt, "its body is not what corsgate writes: " + err.Error(), mendCorrupt}
	}
	return nil
}
