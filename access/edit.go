package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrLastAdmin says that nobody would be left who may change anything.
var ErrLastAdmin = errors.New("this is the last admin: make another one first (yfv2d user add NAME --role admin)")

// Users are all users, in the order they were added.
func (s *Store) Users() ([]User, error) {
	b, err := s.book()
	return b.Users, err
}

// Tokens are all tokens, in the order they were made.
func (s *Store) Tokens() ([]Token, error) {
	b, err := s.book()
	return b.Tokens, err
}

// AddUser adds a user with that password.
func (s *Store) AddUser(ctx context.Context, name string, role Role, password string) error {
	u, err := newUser(ctx, name, role, password)
	if err != nil {
		return err
	}
	_, _, err = s.edit(ctx, func(b *book) error { return b.addUser(u) })
	return err
}

// newUser checks all and computes the hash, which takes a moment in which no lock is held.
func newUser(ctx context.Context, name string, role Role, password string) (User, error) {
	u := User{Name: name, Role: role, Created: time.Now().UTC().Truncate(time.Second)}
	if err := checkName("user", name); err != nil {
		return u, err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return u, err
	}
	if err := CheckPassword(name, password); err != nil {
		return u, err
	}
	var err error
	if u.Key, err = newID(); err != nil {
		return u, err
	}
	u.Password, err = hashPassword(ctx, password)
	return u, err
}

func (b *book) addUser(u User) error {
	if b.user(u.Name) != nil {
		return fmt.Errorf("user %q exists already; yfv2d user passwd changes the password, yfv2d user role the role", u.Name)
	}
	b.Users = append(b.Users, u)
	return nil
}

// find is the user of that name, or an error that says who there is.
func (b *book) find(name string) (*User, error) {
	if u := b.user(name); u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("there is no user %q; yfv2d user list shows who there is", short(name))
}

// Known is nil if there is such a user, else an error that says where to look.
func (s *Store) Known(name string) error {
	b, err := s.book()
	if err == nil {
		_, err = b.find(name)
	}
	return err
}

// SetPassword changes a password and ends all of the user's sessions.
func (s *Store) SetPassword(ctx context.Context, name, password string) error {
	_, _, err := s.setPassword(ctx, name, password)
	return err
}

func (s *Store) setPassword(ctx context.Context, name, password string) (book, mark, error) {
	u, err := newUser(ctx, name, Viewer, password)
	if err != nil {
		return book{}, mark{}, err
	}
	return s.edit(ctx, func(b *book) error {
		old, err := b.find(name)
		if err != nil {
			return err
		}
		old.Password, old.Key, old.Initial = u.Password, u.Key, false
		return nil
	})
}

// RemoveUser removes a user and ends all of the user's sessions. The last admin stays (ErrLastAdmin).
func (s *Store) RemoveUser(ctx context.Context, name string) error {
	_, _, err := s.edit(ctx, func(b *book) error {
		u, err := b.find(name)
		if err != nil {
			return err
		}
		if u.Role == Admin && b.admins() == 1 {
			return ErrLastAdmin
		}
		b.Users = slices.DeleteFunc(b.Users, func(u User) bool { return u.Name == name })
		return nil
	})
	return err
}

// SetRole changes what a user may do, in running sessions too. The last admin stays one (ErrLastAdmin).
func (s *Store) SetRole(ctx context.Context, name string, role Role) error {
	_, _, err := s.edit(ctx, func(b *book) error {
		u, err := b.find(name)
		if err != nil {
			return err
		}
		if u.Role == Admin && role != Admin && b.admins() == 1 {
			return ErrLastAdmin
		}
		u.Role = role
		return nil
	})
	return err
}

// LogOut ends all sessions of a user.
func (s *Store) LogOut(ctx context.Context, name string) error {
	_, _, err := s.logOut(ctx, name)
	return err
}

func (s *Store) logOut(ctx context.Context, name string) (book, mark, error) {
	return s.edit(ctx, func(b *book) error {
		u, err := b.find(name)
		if err != nil {
			return err
		}
		u.Key, err = newID()
		return err
	})
}

// AddToken makes a token and returns its secret, which is kept nowhere. A zero expires is never.
func (s *Store) AddToken(ctx context.Context, name string, role Role, expires time.Time) (secret string, err error) {
	if secret, err = newSecret(); err != nil {
		return "", err
	}
	secret = TokenPrefix + secret
	_, _, err = s.edit(ctx, func(b *book) error {
		if b.token(name) != nil {
			return fmt.Errorf("token %q exists already; choose another name, or revoke it first", name)
		}
		b.Tokens = append(b.Tokens, Token{Name: name, Role: role, Hash: sumOf(secret), Created: time.Now().UTC().Truncate(time.Second), Expires: expires})
		return nil
	})
	return secret, err
}

// RevokeToken removes a token; what its holder watches ends.
func (s *Store) RevokeToken(ctx context.Context, name string) error {
	_, _, err := s.edit(ctx, func(b *book) error {
		if b.token(name) == nil {
			return fmt.Errorf("there is no token %q; yfv2d token list shows which there are", short(name))
		}
		b.Tokens = slices.DeleteFunc(b.Tokens, func(t Token) bool { return t.Name == name })
		return nil
	})
	return err
}

// FirstAdmin makes the user admin with a generated password if there are no users at all, and returns that password; ""
// if there are users. With file it is also written to InitialFile, first: a power cut in between leaves no user
// whose password nobody knows.
func (s *Store) FirstAdmin(ctx context.Context, file bool) (password string, err error) {
	b, err := s.book()
	if err != nil || len(b.Users) > 0 {
		return "", err
	}
	if password, err = newPassword(); err != nil {
		return "", err
	}
	u, err := newUser(ctx, "admin", Admin, password)
	if err != nil {
		return "", err
	}
	u.Initial = true
	_, _, err = s.edit(ctx, func(b *book) error {
		if len(b.Users) > 0 { // another process was faster
			password = ""
			return nil
		}
		if file {
			if err := s.write(initialFile, []byte(password+"\n")); err != nil {
				return err
			}
		}
		return b.addUser(u)
	})
	if err != nil {
		return "", err
	}
	return password, nil
}
