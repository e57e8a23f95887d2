package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// secretBytes of randomness are in a token and in a session's cookie: too many to guess, so a plain SHA-256 keeps them.
const secretBytes = 32

// TokenPrefix lets people, and programs that look for leaked secrets, know a token when they see one.
const TokenPrefix = "yfv2d_"

// sum is a secret as it is kept and looked up: who reads the file, or measures how long a look-up takes, learns no secret.
type sum [sha256.Size]byte

func sumOf(secret string) sum { return sha256.Sum256([]byte(secret)) }

func (s sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

func (s *sum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("a hash has %d characters, want %d", len(text), hex.EncodedLen(len(s)))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

func newSecret() (string, error) {
	b := make([]byte, secretBytes)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// newID is a word that no other thing has.
func newID() (string, error) {
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// easy are 32 characters that nobody takes for another: no l beside 1, no o beside 0.
const easy = "abcdefghijkmnpqrstuvwxyz23456789"

// newPassword is one to be typed: 16 characters of 5 bits each, 80 bits, in groups of four.
func newPassword() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a password: %w", err)
	}
	var s strings.Builder
	for i, c := range b {
		if i > 0 && i%4 == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(easy[c%32]) // 256 is a multiple of 32: all are equally likely
	}
	return s.String(), nil
}
