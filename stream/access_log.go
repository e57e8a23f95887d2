package stream

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// sayAgain is how often one and the same refusal is logged while it goes on.
	sayAgain = time.Minute
	// keptRefusals bounds those that are told apart; strangers at many addresses are then counted together.
	keptRefusals = 256
)

// accessLog logs who was not let in: the first time at once, then at most once a minute with the number in between.
type accessLog struct {
	log  zerolog.Logger
	mu   sync.Mutex // guards what follows
	seen map[refusalKey]*refusalCount
}

type refusalKey struct {
	what, user string
	from       netip.Addr
}

type refusalCount struct {
	last time.Time
	n    int // since last
}

// add notes a refusal. user is a known name, or nothing.
func (a *accessLog) add(what, user string, r *http.Request) {
	key := refusalKey{what, user, clientAddr(r)}
	n, due := a.count(key, time.Now())
	if !due {
		return
	}
	e := a.log.Warn().Str("refused", what)
	if user != "" {
		e = e.Str("user", user)
	}
	e.Str("remote", key.from.String()).Str("path", cut(r.URL.Path)).Int("times", n).Msg("not let in")
}

// count says whether it is time to log this one, and how many it stands for.
func (a *accessLog) count(key refusalKey, now time.Time) (n int, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.seen[key]
	if c == nil {
		for k, old := range a.seen {
			if now.Sub(old.last) > sayAgain && len(a.seen) >= keptRefusals {
				delete(a.seen, k)
			}
		}
		if len(a.seen) >= keptRefusals {
			key = refusalKey{what: "others"}
		}
		if c = a.seen[key]; c == nil {
			c = &refusalCount{}
			a.seen[key] = c
		}
	}
	c.n++
	if now.Sub(c.last) < sayAgain {
		return 0, false
	}
	n, c.n, c.last = c.n, 0, now
	return n, true
}
