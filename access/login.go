package access

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// ErrWrong says that there is no such user or that the password is wrong; which of them nobody is told.
var ErrWrong = errors.New("wrong name or password")

// WrongError is ErrWrong with how long the next try has to wait.
type WrongError struct{ Wait time.Duration }

func (e *WrongError) Error() string   { return ErrWrong.Error() }
func (e *WrongError) Is(t error) bool { return t == ErrWrong }

// Seconds is how long to wait, rounded up; 0 for not at all.
func (e *WrongError) Seconds() int { return (&LockedError{e.Wait}).Seconds() }

// Known says whether there is such a user; for logs: what strangers type as a name may be a password.
func (k *Keeper) Known(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.book.user(plainName(name)) != nil
}

// Login begins a session and returns its secret. Its errors are LockedError, WrongError, ErrBusy, and ctx's.
func (k *Keeper) Login(ctx context.Context, from netip.Addr, name, password string) (secret string, g *Grant, err error) {
	name = plainName(name)
	u, err := k.prove(ctx, from, name, password)
	if err != nil {
		return "", nil, err
	}
	return k.begin(ctx, u)
}

// prove checks a user's password. It takes as long for a user who does not exist.
func (k *Keeper) prove(ctx context.Context, from netip.Addr, name, password string) (User, error) {
	k.mu.Lock()
	var u User
	found := k.book.user(name)
	if found != nil {
		u = *found
	}
	k.mu.Unlock()
	hash := k.nobody
	if found != nil {
		var err error
		if hash, err = parsePHC(u.Password); err != nil {
			return u, err // the book was checked: cannot be
		}
	}
	try, err := k.locks.begin(from, name, found != nil)
	if err != nil {
		return u, err
	}
	if len(password) > mostPassword {
		return u, &WrongError{try.wait()}
	}
	right, err := hash.verify(ctx, password)
	switch {
	case err != nil:
		try.undecided()
		return u, err
	case !right || found == nil:
		return u, &WrongError{try.wait()}
	}
	try.right()
	return u, nil
}

// begin makes a session of a user whose password was right a moment ago.
func (k *Keeper) begin(ctx context.Context, u User) (secret string, g *Grant, err error) {
	if secret, err = newSecret(); err != nil {
		return "", nil, err
	}
	hash := sumOf(secret)
	k.mu.Lock()
	now := k.book.user(u.Name)
	if now == nil || now.Key != u.Key { // removed or changed meanwhile
		k.mu.Unlock()
		return "", nil, &WrongError{}
	}
	k.room(u.Name)
	s := &session{user: u.Name, key: u.Key, started: k.now(), seen: k.now()}
	s.grant, s.end = newGrant(u.Name, now.Role, hash)
	s.grant.Initial = now.Initial
	k.sessions[hash] = s
	g = s.grant
	k.mu.Unlock()
	k.saveSessionsNow(ctx)
	return secret, g, nil
}

// room ends the session that was quiet longest if the user, or all, have as many as there may be. mu is held.
func (k *Keeper) room(user string) {
	var own, all sum
	owns := 0
	for hash, s := range k.sessions {
		if s.user == user {
			owns++
			if o := k.sessions[own]; o == nil || s.seen < o.seen {
				own = hash
			}
		}
		if o := k.sessions[all]; o == nil || s.seen < o.seen {
			all = hash
		}
	}
	out := all
	switch {
	case owns >= mostSessionsOfUser:
		out = own
	case len(k.sessions) < mostSessions:
		return
	}
	k.sessions[out].end()
	delete(k.sessions, out)
}

// Logout ends the grant's own session. A token's grant is left alone.
func (k *Keeper) Logout(ctx context.Context, g *Grant) {
	k.mu.Lock()
	s := k.sessions[g.session]
	if s != nil {
		s.end()
		delete(k.sessions, g.session)
	}
	k.mu.Unlock()
	if s != nil {
		k.saveSessionsNow(ctx)
	}
}

// LogoutEverywhere ends all sessions of the grant's user.
func (k *Keeper) LogoutEverywhere(ctx context.Context, g *Grant) error {
	if g.Token {
		return errors.New("a token has no sessions; yfv2d token revoke ends it")
	}
	if _, err := k.edit(func() (book, mark, error) { return k.store.logOut(ctx, g.Name) }); err != nil {
		return err
	}
	k.saveSessionsNow(ctx)
	return nil
}

// ChangePassword gives the grant's user another password, if the old one is right, and ends all of the user's sessions: the
// secret returned is of a new one.
func (k *Keeper) ChangePassword(ctx context.Context, from netip.Addr, g *Grant, old, password string) (secret string, err error) {
	if g.Token {
		return "", errors.New("a token has no password")
	}
	if err := CheckPassword(g.Name, password); err != nil {
		return "", &BadPasswordError{err}
	}
	if old == password {
		return "", &BadPasswordError{errors.New("the new password is the old one: choose another")}
	}
	if _, err := k.prove(ctx, from, g.Name, old); err != nil {
		return "", err
	}
	b, err := k.edit(func() (book, mark, error) { return k.store.setPassword(ctx, g.Name, password) })
	if err != nil {
		return "", err
	}
	u := b.user(g.Name)
	if u == nil {
		return "", &WrongError{}
	}
	secret, _, err = k.begin(ctx, *u)
	return secret, err
}

// BadPasswordError says why a new password will not do.
type BadPasswordError struct{ err error }

func (e *BadPasswordError) Error() string { return e.err.Error() }
