package access

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// How wrong passwords are slowed down. An address waits longer and longer. So does everybody who tries one user's name, whatever
// the address, but for half a minute at most, and not where that user logged in before: strangers cannot keep the
// owner out of the house. Nothing locks for ever, and a request that is refused for a lock does not lengthen it.
const (
	addrFree = 5 // wrong passwords that cost nothing
	addrStep = 2 * time.Second
	addrMost = 5 * time.Minute
	userFree = 10
	userStep = time.Second
	userMost = 30 * time.Second
	forgive  = 15 * time.Minute // without a wrong one, and all is forgotten

	mostAddrs   = 4096 // kept in mind; beyond them the one that was quiet longest is forgotten
	mostHomes   = 1024
	userBuckets = 1024 // unknown names share them, so that they look like known ones and take no memory
)

// LockedError says that too many passwords were wrong.
type LockedError struct{ Wait time.Duration }

func (e *LockedError) Error() string {
	return fmt.Sprintf("too many wrong passwords; try again in %d s", e.Seconds())
}

// Seconds is how long to wait, rounded up.
func (e *LockedError) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// strikes counts wrong passwords of one address or for one user. Times are on the boot clock.
type strikes struct {
	n     int
	until time.Duration // nobody is let try before
	last  time.Duration
}

func (s *strikes) strike(now time.Duration, free int, step, most time.Duration) {
	if now-s.last > forgive {
		s.n = 0
	}
	s.n++
	s.last = now
	if over := s.n - free; over >= 0 {
		s.until = now + min(step<<min(over, 20), most)
	}
}

// pardon takes one strike back, and the wait that it brought.
func (s *strikes) pardon(brought time.Duration) {
	s.n = max(0, s.n-1)
	if s.until == brought {
		s.until = 0
	}
}

type home struct {
	from netip.Prefix
	user string
}

// lockout is all that is remembered of wrong passwords. Only in memory: a restart is in the owner's hands.
type lockout struct {
	now  func() time.Duration
	seed maphash.Seed

	mu    sync.Mutex // guards what follows
	addrs map[netip.Prefix]*strikes
	users map[string]*strikes
	homes map[home]time.Duration // where users logged in, and when last
}

func newLockout(now func() time.Duration) *lockout {
	return &lockout{now: now, seed: maphash.MakeSeed(), addrs: map[netip.Prefix]*strikes{}, users: map[string]*strikes{}, homes: map[home]time.Duration{}}
}

// Network is an address as it is counted where clients are limited: an IPv6 client has a whole /64. The zero prefix counts
// those that have no address.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return netip.Prefix{}
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // bits fit
	return p
}

// attempt is one password that is being tried. It counts as wrong until somebody says otherwise, so that many at once gain nothing.
type attempt struct {
	l                    *lockout
	home                 home
	addr, user           *strikes
	addrUntil, userUntil time.Duration // as the attempt left them
}

// begin counts an attempt, or refuses it with a LockedError. known says that there is such a user.
func (l *lockout) begin(from netip.Addr, user string, known bool) (*attempt, error) {
	if !known {
		user = "?" + strconv.Itoa(int(maphash.String(l.seed, user)%userBuckets))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	at := home{Network(from), user}
	a := &attempt{l: l, home: at, addr: l.addrs[at.from], user: l.users[user]}
	_, homely := l.homes[at]
	var wait time.Duration
	if a.addr != nil {
		wait = a.addr.until - now
	}
	if a.user != nil && !homely {
		wait = max(wait, a.user.until-now)
	}
	if wait > 0 {
		return nil, &LockedError{wait}
	}
	if a.addr == nil {
		forget(l.addrs, mostAddrs, func(s *strikes) time.Duration { return s.last })
		a.addr = &strikes{}
		l.addrs[at.from] = a.addr
	}
	if a.user == nil {
		forget(l.users, mostUsers+userBuckets, func(s *strikes) time.Duration { return s.last })
		a.user = &strikes{}
		l.users[user] = a.user
	}
	a.addr.strike(now, addrFree, addrStep, addrMost)
	a.user.strike(now, userFree, userStep, userMost)
	a.addrUntil, a.userUntil = a.addr.until, a.user.until
	return a, nil
}

// wait is what the next attempt has to wait for.
func (a *attempt) wait() time.Duration {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	return max(0, a.addr.until-a.l.now())
}

// right says that the password was right. The address is pardoned this attempt only: one's own account wins no tries at others'.
func (a *attempt) right() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.addr.pardon(a.addrUntil)
	*a.user = strikes{}
	forget(a.l.homes, mostHomes, func(at time.Duration) time.Duration { return at })
	a.l.homes[a.home] = a.l.now()
}

// undecided says that the password was not looked at.
func (a *attempt) undecided() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.addr.pardon(a.addrUntil)
	a.user.pardon(a.userUntil)
}

// forget makes room for one more: the oldest goes.
func forget[K comparable, V any](m map[K]V, most int, age func(V) time.Duration) {
	if len(m) < most {
		return
	}
	var oldest K
	first := true
	for k, v := range m {
		if first || age(v) < age(m[oldest]) {
			oldest, first = k, false
		}
	}
	delete(m, oldest)
}
