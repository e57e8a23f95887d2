package access

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// lookEvery is how often the files are looked at and sessions are checked for their end: what another process revoked is
// over a second later.
const lookEvery = time.Second

// saveLimit is how long the writing of sessions may wait for another process.
const saveLimit = 2 * time.Second

// Grant is what somebody may do who showed a session or a token.
type Grant struct {
	Name    string // of the user or the token
	Role    Role
	Token   bool // a token's; else a session's
	Initial bool // the user's password is still the generated one

	session sum
	ctx     context.Context
}

// Context ends when what was granted is revoked: logged out, password or role changed, user or token removed, time over. Whoever
// gives something that lasts ends it then.
func (g *Grant) Context() context.Context { return g.ctx }

// Keeper knows at any time who may come in. All methods are safe from any goroutine.
type Keeper struct {
	store  *Store
	log    zerolog.Logger
	now    func() time.Duration // the boot clock
	wall   func() time.Time
	boot   string
	locks  *lockout
	nobody phc

	saving sync.Mutex // held while sessions.json is written, so that a newer one is not overtaken
	change sync.Mutex // held from the reading of users.json to its adoption, likewise

	mu       sync.Mutex // guards what follows
	book     book
	read     mark // of the book
	faulty   mark // a file that could not be read and was told of
	sessions map[sum]*session
	tokens   map[sum]*tokenState
	saved    time.Duration // when sessions.json was written
	unsaved  bool          // its writing failed, and that was told
	used     bool          // a token was used since its last use was written
	usedAt   time.Duration // when that was written
}

// tokenState is a token at work.
type tokenState struct {
	Token
	grant *Grant
	end   context.CancelFunc
}

// NewKeeper reads the state directory. It fails if users.json cannot be read: nobody is let in by mistake. Run keeps it up to date.
func NewKeeper(dir string, log zerolog.Logger) (*Keeper, error) {
	return newKeeper(dir, log, bootClock, time.Now, thisBoot())
}

func newKeeper(dir string, log zerolog.Logger, now func() time.Duration, wall func() time.Time, boot string) (*Keeper, error) {
	k := &Keeper{store: OpenStore(dir), log: log, now: now, wall: wall, boot: boot, locks: newLockout(now), tokens: map[sum]*tokenState{}}
	var err error
	if k.nobody, err = nobody(); err != nil {
		return nil, fmt.Errorf("make a hash for unknown users: %w", err)
	}
	seen := k.store.mark(usersFile)
	b, err := k.store.book()
	if err != nil {
		return nil, err
	}
	if k.sessions, err = k.store.loadSessions(boot, now()); err != nil {
		log.Warn().Err(err).Msg("sessions of before are lost")
	}
	for hash, s := range k.sessions {
		s.grant, s.end = newGrant(s.user, "", hash) // adopt fills in the role
	}
	k.saved, k.usedAt = now(), now()
	k.adopt(b, seen)
	k.store.tidy(b)
	return k, nil
}

// edit changes users.json and what counts.
func (k *Keeper) edit(change func() (book, mark, error)) (book, error) {
	k.change.Lock()
	defer k.change.Unlock()
	b, read, err := change()
	if err == nil {
		k.adopt(b, read)
	}
	return b, err
}

// FirstAdmin is the store's: the user admin if there are no users at all.
func (k *Keeper) FirstAdmin(ctx context.Context, file bool) (password string, err error) {
	if password, err = k.store.FirstAdmin(ctx, file); err == nil {
		k.reread()
	}
	return password, err
}

// InitialFile is where a generated password was written.
func (k *Keeper) InitialFile() string { return k.store.InitialFile() }

func newGrant(name string, role Role, session sum) (*Grant, context.CancelFunc) {
	ctx, end := context.WithCancel(context.Background())
	return &Grant{Name: name, Role: role, session: session, ctx: ctx}, end
}

// adopt makes a book the one that counts, and revokes what it no longer grants.
func (k *Keeper) adopt(b book, read mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.book, k.read = b, read
	for hash, s := range k.sessions {
		u := b.user(s.user)
		switch {
		case u == nil || u.Key != s.key:
			s.end()
			delete(k.sessions, hash)
		case s.grant.Role != u.Role:
			s.end()
			s.grant, s.end = newGrant(u.Name, u.Role, hash)
			s.grant.Initial = u.Initial
		}
	}
	kept := map[sum]*tokenState{}
	for _, t := range b.Tokens {
		old := k.tokens[t.Hash]
		if old == nil || old.Role != t.Role || old.Name != t.Name {
			if old != nil {
				old.end()
			}
			old = &tokenState{}
			old.grant, old.end = newGrant(t.Name, t.Role, sum{})
			old.grant.Token = true
		}
		if old.LastUsed.After(t.LastUsed) {
			t.LastUsed = old.LastUsed
		}
		old.Token = t
		kept[t.Hash] = old
	}
	for hash, t := range k.tokens {
		if kept[hash] != t {
			t.end()
		}
	}
	k.tokens = kept
}

// Run notices what other processes change and ends what is over, until ctx ends. Then it writes what it knows.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.look(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.Background(), saveLimit)
			defer cancel()
			k.saveSessionsNow(last)
			k.saveUse(last, 0)
			return
		}
	}
}

// look is one turn of Run.
func (k *Keeper) look(ctx context.Context) {
	k.reread()
	k.sweep()
	k.mu.Lock()
	due := len(k.sessions) > 0 && k.now()-k.saved >= saveEvery
	k.mu.Unlock()
	if due {
		k.saveSessionsNow(ctx)
	}
	k.saveUse(ctx, saveEvery)
}

// reread takes over a changed users.json. A file that cannot be read changes nothing and is told of once; one that is gone
// grants nothing.
func (k *Keeper) reread() {
	k.change.Lock()
	defer k.change.Unlock()
	seen := k.store.mark(usersFile)
	k.mu.Lock()
	known := seen == k.read || seen.there && seen == k.faulty
	k.mu.Unlock()
	if known {
		return
	}
	b, err := k.store.book()
	if err != nil {
		k.mu.Lock()
		k.faulty = seen
		k.mu.Unlock()
		k.log.Error().Err(err).Msg("users are as before")
		return
	}
	if !seen.there {
		k.log.Error().Str("file", k.store.path(usersFile)).Msg("the file of users is gone: nobody can log in; a restart makes a new admin")
	} else {
		k.log.Info().Int("users", len(b.Users)).Int("tokens", len(b.Tokens)).Msg("users and tokens read again")
	}
	k.adopt(b, seen)
}

// sweep ends sessions and tokens whose time is over.
func (k *Keeper) sweep() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, wall := k.now(), k.wall()
	for hash, s := range k.sessions {
		if s.over(now) {
			s.end()
			delete(k.sessions, hash)
		}
	}
	for _, t := range k.tokens {
		if t.Expired(wall) {
			t.end()
		}
	}
}

// ByToken is what a token's secret grants.
func (k *Keeper) ByToken(secret string) (*Grant, bool) {
	if len(secret) != len(TokenPrefix)+sessionSecretLength {
		return nil, false
	}
	hash := sumOf(secret)
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tokens[hash]
	wall := k.wall()
	if t == nil || t.Expired(wall) {
		return nil, false
	}
	if t.grant.ctx.Err() != nil { // it had expired, and the wall clock was set back
		t.grant, t.end = newGrant(t.Name, t.Role, sum{})
		t.grant.Token = true
	}
	t.LastUsed = wall.UTC().Truncate(time.Second)
	k.used = true
	return t.grant, true
}

// BySession is what a session's secret grants.
func (k *Keeper) BySession(secret string) (*Grant, bool) {
	if len(secret) != sessionSecretLength {
		return nil, false
	}
	hash := sumOf(secret)
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sessions[hash]
	now := k.now()
	if s == nil || s.over(now) {
		return nil, false
	}
	s.seen = now
	return s.grant, true
}

// Cookie is the name of this daemon's session cookie.
func (k *Keeper) Cookie() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return "yfv2d-" + k.book.Instance[:min(8, len(k.book.Instance))]
}

// Initial says whether somebody's password is still the generated one.
func (k *Keeper) Initial() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.book.initial()
}

// saveSessionsNow writes sessions.json. A disk that is full is no reason to let nobody in: it is told of once, and tried again.
func (k *Keeper) saveSessionsNow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit) // a client that has gone cuts no writing
	defer cancel()
	k.saving.Lock()
	defer k.saving.Unlock()
	k.mu.Lock()
	now := k.now()
	k.saved = now
	data, err := formatSessions(k.sessions, k.boot, now)
	k.mu.Unlock()
	if err == nil {
		err = k.store.saveSessions(ctx, data)
	}
	k.mu.Lock()
	told := k.unsaved
	k.unsaved = err != nil
	k.mu.Unlock()
	if err != nil && !told {
		k.log.Warn().Err(err).Msg("sessions cannot be written; they would not outlast a restart")
	}
}

// saveUse writes when tokens were used last, if that is older than a while.
func (k *Keeper) saveUse(ctx context.Context, while time.Duration) {
	k.mu.Lock()
	due := k.used && k.now()-k.usedAt >= while
	used := map[sum]time.Time{}
	if due {
		k.used, k.usedAt = false, k.now()
		for hash, t := range k.tokens {
			used[hash] = t.LastUsed
		}
	}
	k.mu.Unlock()
	if !due {
		return
	}
	_, err := k.edit(func() (book, mark, error) {
		return k.store.edit(ctx, func(b *book) error {
			for i := range b.Tokens {
				if at := used[b.Tokens[i].Hash]; at.After(b.Tokens[i].LastUsed) {
					b.Tokens[i].LastUsed = at
				}
			}
			return nil
		})
	})
	if err != nil {
		k.log.Debug().Err(err).Msg("write when tokens were used")
	}
}
