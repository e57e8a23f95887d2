package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Argon2id with the least memory that OWASP's password storage cheat sheet names (19 MiB, 2 passes, 1 lane): a board with
// 512 MB does it beside its cameras.
const (
	hashMemory = 19 << 10 // KiB
	hashPasses = 2
	hashLanes  = 1
	saltBytes  = 16
	hashBytes  = 32
)

// What a hash from the file may ask for: a file that was tampered with must not take all memory.
const (
	mostMemory = 64 << 10 // KiB
	mostPasses = 10
	mostLanes  = 4
)

const (
	leastPassword = 8    // characters, NIST SP 800-63B
	mostPassword  = 1024 // bytes
)

// ErrBusy says that too many wait for their password to be checked.
var ErrBusy = errors.New("too many log in at once; try again in a few seconds")

// phc is a password's hash: PHC string format, as in $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH.
type phc struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
	salt   []byte
	hash   []byte
}

var b64 = base64.RawStdEncoding.Strict()

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.lanes,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.hash))
}

var errPHC = errors.New("the password's hash is no argon2id hash in PHC form")

// parsePHC reads what String writes, and nothing else. Its errors quote nothing.
func parsePHC(s string) (phc, error) {
	var p phc
	if len(s) > 300 {
		return p, errPHC
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, errPHC
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes); err != nil {
		return p, errPHC
	}
	var err1, err2 error
	p.salt, err1 = b64.DecodeString(parts[4])
	p.hash, err2 = b64.DecodeString(parts[5])
	switch {
	case err1 != nil, err2 != nil, len(p.salt) < 8, len(p.salt) > 64, len(p.hash) < 16, len(p.hash) > 64,
		p.lanes < 1, p.lanes > mostLanes, p.passes < 1, p.passes > mostPasses,
		p.memory < 8*uint32(p.lanes), p.memory > mostMemory, p.String() != s:
		return phc{}, errPHC
	}
	return p, nil
}

// turn lets one at a time in, and few wait.
type turn struct {
	taken   chan struct{}
	waiting atomic.Int32
}

// mostWaiting may wait for their turn, a second or two on a small board.
const mostWaiting = 8

// hashing is the whole process's: however many log in, there are 19 MiB at work and one core.
var hashing = turn{taken: make(chan struct{}, 1)}

func (t *turn) take(ctx context.Context) error {
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > mostWaiting {
		return ErrBusy
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turn) leave() { <-t.taken }

// derive computes a hash with p's salt and cost when it is its turn.
func (p phc) derive(ctx context.Context, password string, bytes int) ([]byte, error) {
	if err := hashing.take(ctx); err != nil {
		return nil, err
	}
	defer hashing.leave()
	return argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.lanes, uint32(bytes)), nil
}

// hashPassword makes a hash with a salt of its own.
func hashPassword(ctx context.Context, password string) (string, error) {
	p := phc{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, saltBytes)}
	if _, err := rand.Read(p.salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	var err error
	if p.hash, err = p.derive(ctx, password, hashBytes); err != nil {
		return "", err
	}
	return p.String(), nil
}

// verify says whether the password is the hash's.
func (p phc) verify(ctx context.Context, password string) (bool, error) {
	got, err := p.derive(ctx, password, len(p.hash))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, p.hash) == 1, nil
}

// nobody is a hash that no password has, for users who do not exist: they take as long as the others.
func nobody() (phc, error) {
	p := phc{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)}
	if _, err := rand.Read(p.salt); err != nil {
		return p, err
	}
	_, err := rand.Read(p.hash)
	return p, err
}

// CheckPassword says what is wrong with a new password of that user.
func CheckPassword(user, password string) error {
	switch {
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8 text")
	case utf8.RuneCountInString(password) < leastPassword:
		return fmt.Errorf("the password is too short: use %d characters or more", leastPassword)
	case len(password) > mostPassword:
		return fmt.Errorf("the password is too long: at most %d bytes", mostPassword)
	case strings.EqualFold(password, user):
		return errors.New("the password is the user's name: choose another")
	case strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the password has a control character: use characters that can be typed")
	}
	return nil
}
