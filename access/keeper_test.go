package access

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

var (
	home1 = netip.MustParseAddr("192.0.2.1")
	home2 = netip.MustParseAddr("2001:db8:1:2::7")
)

// clock is the boot clock and the wall clock of a test.
type clock struct {
	mu   sync.Mutex
	boot time.Duration
	wall time.Time
	id   string
}

func newClock() *clock {
	return &clock{boot: time.Minute, wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), id: "boot-1"}
}

func (c *clock) now() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.boot }
func (c *clock) date() time.Time    { c.mu.Lock(); defer c.mu.Unlock(); return c.wall }

// pass lets time go by on both clocks.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boot, c.wall = c.boot+d, c.wall.Add(d)
}

// set sets the wall clock as a person or a time server does.
func (c *clock) set(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.wall = c.wall.Add(d) }

func newTestKeeper(dir string, c *clock) (*Keeper, error) {
	return newKeeper(dir, zerolog.Nop(), c.now, c.date, c.id)
}

// house has the admin anna, the viewer ben, and a keeper.
func house(t *testing.T) (*Store, *Keeper, *clock) {
	t.Helper()
	s, c := testStore(t), newClock()
	addUser(t, s, "anna", Admin)
	addUser(t, s, "ben", Viewer)
	k, err := newTestKeeper(s.dir, c)
	must(t, err)
	return s, k, c
}

func login(t *testing.T, k *Keeper, name string) (string, *Grant) {
	t.Helper()
	secret, g, err := k.Login(context.Background(), home1, name, good)
	must(t, err)
	return secret, g
}

func ended(g *Grant) bool { return g.Context().Err() != nil }

// What is revoked, here or by another process, ends what its holder has, and nothing else.
func TestRevocation(t *testing.T) {
	for _, row := range []struct {
		name   string
		revoke func(t *testing.T, s *Store, k *Keeper, ben *Grant)
		again  bool // the session goes on with another grant
	}{
		{"user removed", func(t *testing.T, s *Store, _ *Keeper, _ *Grant) { must(t, s.RemoveUser(context.Background(), "ben")) }, false},
		{"password changed", func(t *testing.T, s *Store, _ *Keeper, _ *Grant) {
			must(t, s.SetPassword(context.Background(), "ben", "another one"))
		}, false},
		{"role changed", func(t *testing.T, s *Store, _ *Keeper, _ *Grant) {
			must(t, s.SetRole(context.Background(), "ben", Admin))
		}, true},
		{"logged out by the command", func(t *testing.T, s *Store, _ *Keeper, _ *Grant) { must(t, s.LogOut(context.Background(), "ben")) }, false},
		{"logged out", func(_ *testing.T, _ *Store, k *Keeper, ben *Grant) { k.Logout(context.Background(), ben) }, false},
		{"logged out everywhere", func(t *testing.T, _ *Store, k *Keeper, ben *Grant) {
			must(t, k.LogoutEverywhere(context.Background(), ben))
		}, false},
		{"removed and added again", func(t *testing.T, s *Store, _ *Keeper, _ *Grant) {
			must(t, s.RemoveUser(context.Background(), "ben"))
			addUser(t, s, "ben", Viewer)
		}, false},
		{"file removed", func(t *testing.T, s *Store, _ *Keeper, _ *Grant) { must(t, os.Remove(s.path(usersFile))) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, k, _ := house(t)
			_, anna := login(t, k, "anna")
			secret, ben := login(t, k, "ben")
			row.revoke(t, s, k, ben)
			k.look(context.Background())
			if !ended(ben) {
				t.Error("what the session holds goes on")
			}
			g, ok := k.BySession(secret)
			if ok != row.again || ok && (ended(g) || g.Role != Admin) {
				t.Errorf("the session is let in: %v", ok)
			}
			if row.name != "file removed" && ended(anna) {
				t.Error("another user's session ended too")
			}
		})
	}
}

func TestTokens(t *testing.T) {
	ctx := context.Background()
	s, k, c := house(t)
	forever, err := s.AddToken(ctx, "forever", Admin, time.Time{})
	must(t, err)
	week, err := s.AddToken(ctx, "week", Viewer, c.date().Add(7*24*time.Hour))
	must(t, err)
	k.look(ctx)
	a, ok := k.ByToken(forever)
	if !ok || a.Role != Admin || !a.Token || a.Name != "forever" {
		t.Fatalf("token: %+v, %v", a, ok)
	}
	b, ok := k.ByToken(week)
	if !ok || b.Role != Viewer {
		t.Fatalf("token: %+v, %v", b, ok)
	}
	for _, wrong := range []string{"", TokenPrefix, forever[:len(forever)-1], forever + "x", strings.TrimPrefix(forever, TokenPrefix), TokenPrefix + strings.Repeat("A", 43)} {
		if _, ok := k.ByToken(wrong); ok {
			t.Errorf("%q is let in", wrong)
		}
	}
	c.pass(8 * 24 * time.Hour)
	if _, ok := k.ByToken(week); ok {
		t.Error("let in after its time")
	}
	k.look(ctx)
	if !ended(b) || ended(a) {
		t.Errorf("ended: the expired %v, the other %v", ended(b), ended(a))
	}
	tokens, err := s.Tokens()
	must(t, err)
	if tokens[0].LastUsed.IsZero() {
		t.Error("the last use was not written")
	}
	must(t, s.RevokeToken(ctx, "forever"))
	k.look(ctx)
	if _, ok := k.ByToken(forever); ok || !ended(a) {
		t.Error("the revoked token goes on")
	}
	// A user's name and password is no session, and a session is no token.
	secret, _ := login(t, k, "ben")
	if _, ok := k.ByToken(secret); ok {
		t.Error("a session passes for a token")
	}
	if _, ok := k.BySession(week); ok {
		t.Error("a token passes for a session")
	}
}

// Sessions go by the clock that nobody sets.
func TestSessionsAndClocks(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(t *testing.T, c *clock)
		in   bool
	}{
		{"clock set back a day", func(_ *testing.T, c *clock) { c.set(-24 * time.Hour) }, true},
		{"clock set forward a year", func(_ *testing.T, c *clock) { c.set(365 * 24 * time.Hour) }, true},
		{"idle for six days", func(_ *testing.T, c *clock) { c.pass(6 * 24 * time.Hour) }, true},
		{"idle for eight days", func(_ *testing.T, c *clock) { c.pass(8 * 24 * time.Hour) }, false},
		{"idle for eight days while the clock is set back", func(_ *testing.T, c *clock) { c.pass(8 * 24 * time.Hour); c.set(-8 * 24 * time.Hour) }, false},
		{"the machine starts anew in 1970", func(_ *testing.T, c *clock) { c.boot, c.id, c.wall = time.Second, "boot-2", time.Unix(0, 0) }, true},
		{"eight days in another boot", func(_ *testing.T, c *clock) { c.boot, c.id = 8*24*time.Hour+time.Second, "boot-2" }, true},
		{"the boot cannot be known", func(_ *testing.T, c *clock) { c.boot, c.id = time.Second, "" }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, k, c := house(t)
			secret, g := login(t, k, "ben")
			row.do(t, c)
			k.look(context.Background())
			if c.id == "boot-1" && ended(g) == row.in {
				t.Errorf("before a restart: ended %v", ended(g))
			}
			k, err := newTestKeeper(s.dir, c)
			must(t, err)
			if _, ok := k.BySession(secret); ok != row.in {
				t.Errorf("after a restart: let in %v", ok)
			}
		})
	}
}

// Use keeps a session alive for a while, not for ever, over restarts and boots.
func TestSessionsEnd(t *testing.T) {
	s, k, c := house(t)
	secret, _ := login(t, k, "ben")
	days := 0
	for ; days < 200; days++ {
		c.pass(24 * time.Hour)
		k.look(context.Background()) // it writes, more than an hour later
		if _, ok := k.BySession(secret); !ok {
			break
		}
		if days%10 == 0 {
			c.mu.Lock()
			c.boot, c.id = time.Second, c.id+"x"
			c.mu.Unlock()
			var err error
			k, err = newTestKeeper(s.dir, c)
			must(t, err)
		}
	}
	if days < 89 || days > 100 {
		t.Errorf("the session lasted %d days", days)
	}
}

func TestFaultySessionsLetNobodyIn(t *testing.T) {
	s, k, c := house(t)
	secret, _ := login(t, k, "ben")
	whole, err := os.ReadFile(s.path(sessionsFile))
	must(t, err)
	for name, data := range map[string]string{
		"half": string(whole[:len(whole)/2]), "empty": "", "noughts": strings.Repeat("\x00", 100),
		"times turned": strings.Replace(string(whole), `"started": `, `"started": 9`, 1), "version": strings.Replace(string(whole), `"version": 1`, `"version": 9`, 1),
	} {
		must(t, os.WriteFile(s.path(sessionsFile), []byte(data), 0o600))
		var said strings.Builder
		k, err := newKeeper(s.dir, zerolog.New(&said), c.now, c.date, c.id)
		must(t, err)
		if _, ok := k.BySession(secret); ok {
			t.Errorf("%s: let in", name)
		}
		if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "log in again") {
			t.Errorf("%s: said %q", name, said.String())
		}
	}
}

// A disk that takes nothing keeps nobody out.
func TestLoginWithoutDisk(t *testing.T) {
	s, k, _ := house(t)
	must(t, os.Mkdir(s.path(sessionsFile+".new"), 0o700))
	secret, _ := login(t, k, "ben")
	if _, ok := k.BySession(secret); !ok {
		t.Error("not let in")
	}
}

func TestChangePassword(t *testing.T) {
	ctx := context.Background()
	_, k, _ := house(t)
	secret, ben := login(t, k, "ben")
	other, _ := login(t, k, "ben")
	if _, err := k.ChangePassword(ctx, home1, ben, "wrong one", "new password"); !errors.Is(err, ErrWrong) {
		t.Errorf("wrong old password: %v", err)
	}
	var bad *BadPasswordError
	if _, err := k.ChangePassword(ctx, home1, ben, good, "short"); !errors.As(err, &bad) {
		t.Errorf("short password: %v", err)
	}
	if _, err := k.ChangePassword(ctx, home1, ben, good, good); !errors.As(err, &bad) {
		t.Errorf("the same password: %v", err)
	}
	fresh, err := k.ChangePassword(ctx, home1, ben, good, "new password")
	must(t, err)
	for name, s := range map[string]string{"the own": secret, "the other": other} {
		if _, ok := k.BySession(s); ok {
			t.Errorf("%s session goes on", name)
		}
	}
	if _, ok := k.BySession(fresh); !ok || !ended(ben) {
		t.Error("the new session is not let in, or the old grant goes on")
	}
	if _, _, err := k.Login(ctx, home2, "ben", good); !errors.Is(err, ErrWrong) {
		t.Errorf("the old password: %v", err)
	}
	if _, _, err := k.Login(ctx, home2, "ben", "new password"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// The file at fault changes nothing while the daemon runs, and is told of once.
func TestAFaultyFileWhileRunning(t *testing.T) {
	s, _, c := house(t)
	var said strings.Builder
	k, err := newKeeper(s.dir, zerolog.New(&said), c.now, c.date, c.id)
	must(t, err)
	secret, _ := login(t, k, "ben")
	must(t, os.WriteFile(s.path(usersFile), []byte("{"), 0o600))
	for range 3 {
		k.look(context.Background())
	}
	if n := strings.Count(said.String(), "users are as before"); n != 1 {
		t.Errorf("told %d times: %s", n, said.String())
	}
	if _, ok := k.BySession(secret); !ok {
		t.Error("the session ended")
	}
}

// The daemon notices by itself what another process does.
func TestRunNotices(t *testing.T) {
	defer goleak.VerifyNone(t)
	s, k, _ := house(t)
	_, ben := login(t, k, "ben")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	must(t, s.LogOut(ctx, "ben"))
	select {
	case <-ben.Context().Done():
	case <-time.After(10 * time.Second): // a hang, not slowness
		t.Error("it does not notice")
	}
	cancel()
	<-done
}

func TestSessionsAreBounded(t *testing.T) {
	s, k, c := house(t)
	u, err := k.store.Users()
	must(t, err)
	first, _, err := k.begin(context.Background(), u[1])
	must(t, err)
	for range mostSessionsOfUser {
		c.pass(time.Second)
		_, _, err := k.begin(context.Background(), u[1])
		must(t, err)
	}
	if _, ok := k.BySession(first); ok || len(k.sessions) != mostSessionsOfUser {
		t.Errorf("%d sessions, the oldest is there: %v", len(k.sessions), ok)
	}
	if _, err := os.Stat(filepath.Join(s.dir, sessionsFile)); err != nil {
		t.Error(err)
	}
}
