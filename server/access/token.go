package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"
)

const (
	// tokenPrefix begins our tokens, so that scanners for leaked secrets and people
	// know them.
	tokenPrefix = "corsgate_"
	// tokenBytes is how many random bytes are in one: nobody guesses 256 bits, so
	// that a plain hash is enough.
	tokenBytes = 32
)

// A Token is one that was just made.
type Token struct {
	// Secret is what its bearer shows. It is not kept.
	Secret string
	// SHA256 is what stands in the access file.
	SHA256 string
}

// NewToken makes a token.
func NewToken() (Token, error) {
	random := make([]byte, tokenBytes)
	if _, err := rand.Read(random); err != nil {
		return Token{}, fmt.Errorf("make a token: %w", err)
	}
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	hash := sha256.Sum256([]byte(secret))
	return Token{Secret: secret, SHA256: hex.EncodeToString(hash[:])}, nil
}

// A token is one of the access file.
type token struct {
	name    string
	hash    [sha256.Size]byte
	expires time.Time // zero: never
}

// findToken returns the token that a secret is of, or nil. It looks at all of
// them, so that the time it takes says nothing.
func findToken(tokens []token, secret string) *token {
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range tokens {
		if subtle.ConstantTimeCompare(tokens[i].hash[:], hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return nil
	}
	return &tokens[found]
}
