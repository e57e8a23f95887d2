package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Bounds of the files. A house has a few users; whoever reaches these has a fault in a script.
const (
	bookVersion = 1
	mostUsers   = 256
	mostTokens  = 256
	mostBytes   = 1 << 20
)

// User is somebody with a password.
type User struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Password string    `json:"password"` // hash, PHC form
	Key      string    `json:"key"`      // sessions that began under another key are over
	Created  time.Time `json:"created"`
	Initial  bool      `json:"initial,omitempty"` // the password is still the one that was generated
}

// Token is a secret of a program.
type Token struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Hash     sum       `json:"hash"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used,omitzero"` // an hour or so may be missing
	Expires  time.Time `json:"expires,omitzero"`   // by the wall clock: it is a date for people
}

// Expired says whether the token's time is over.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// book is users.json: all who may come in.
type book struct {
	Version  int     `json:"version"`
	Instance string  `json:"instance"` // of this daemon among those of one machine: browsers keep cookies by host, without the port
	Users    []User  `json:"users"`
	Tokens   []Token `json:"tokens"`
}

// parseBook reads users.json. Every fault is an error: a file that is half there lets nobody in. Errors quote no secret.
func parseBook(data []byte) (book, error) {
	var b book
	if err := decode(data, &b); err != nil {
		return book{}, err
	}
	if err := b.check(); err != nil {
		return book{}, err
	}
	return b, nil
}

// decode reads one JSON value with known fields only, and nothing after it.
func decode(data []byte, v any) error {
	if len(data) > mostBytes {
		return fmt.Errorf("is larger than %d kB", mostBytes>>10)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("is empty")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New("cannot be read as JSON of this version" + where(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("goes on after its end")
	}
	return nil
}

// where is where a JSON fault is, without what stands there.
func where(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ": it ends too early"
	case errors.As(err, &syntax):
		return fmt.Sprintf(": fault at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf(": wrong type at byte %d", kind.Offset)
	}
	return ""
}

func (b *book) check() error {
	switch {
	case b.Version != bookVersion:
		return fmt.Errorf("has version %d; this yfv2d knows version %d", b.Version, bookVersion)
	case b.Instance == "" || len(b.Instance) > 32 || strings.Trim(b.Instance, "0123456789abcdef") != "":
		return errors.New("has no instance")
	case len(b.Users) > mostUsers:
		return fmt.Errorf("has more than %d users", mostUsers)
	case len(b.Tokens) > mostTokens:
		return fmt.Errorf("has more than %d tokens", mostTokens)
	}
	seen := map[string]bool{}
	for i, u := range b.Users {
		if err := u.check(); err != nil {
			return fmt.Errorf("user %d: %w", i+1, err)
		}
		if seen[u.Name] {
			return fmt.Errorf("user %q is there twice", u.Name)
		}
		seen[u.Name] = true
	}
	clear(seen)
	hashes := map[sum]bool{}
	for i, t := range b.Tokens {
		if err := t.check(); err != nil {
			return fmt.Errorf("token %d: %w", i+1, err)
		}
		if seen[t.Name] || hashes[t.Hash] {
			return fmt.Errorf("token %q is there twice", t.Name)
		}
		seen[t.Name], hashes[t.Hash] = true, true
	}
	return nil
}

func (u User) check() error {
	if err := checkName("user", u.Name); err != nil {
		return err
	}
	if _, err := ParseRole(string(u.Role)); err != nil {
		return err
	}
	if u.Key == "" || len(u.Key) > 64 {
		return errors.New("has no key")
	}
	_, err := parsePHC(u.Password)
	return err
}

func (t Token) check() error {
	if err := checkName("token", t.Name); err != nil {
		return err
	}
	if t.Hash == (sum{}) {
		return errors.New("has no hash")
	}
	_, err := ParseRole(string(t.Role))
	return err
}

// user is the one of that name, nil if there is none.
func (b *book) user(name string) *User {
	i := slices.IndexFunc(b.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &b.Users[i]
}

func (b *book) token(name string) *Token {
	i := slices.IndexFunc(b.Tokens, func(t Token) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &b.Tokens[i]
}

func (b *book) admins() int {
	n := 0
	for _, u := range b.Users {
		if u.Role == Admin {
			n++
		}
	}
	return n
}

// initial says whether somebody's password is still the generated one.
func (b *book) initial() bool {
	return slices.ContainsFunc(b.Users, func(u User) bool { return u.Initial })
}
