package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func wrong(l *lockout, from netip.Addr, user string, known bool) time.Duration {
	_, err := l.begin(from, user, known)
	var locked *LockedError
	if errors.As(err, &locked) {
		return locked.Wait
	}
	return 0
}

func TestAddressIsLockedLongerAndLonger(t *testing.T) {
	c := newClock()
	l := newLockout(c.now)
	for i := range addrFree {
		if w := wrong(l, home1, fmt.Sprint("user", i), true); w != 0 {
			t.Fatalf("attempt %d waits %v", i, w)
		}
	}
	last := time.Duration(0)
	for range 12 {
		w := wrong(l, home1, "anna", true)
		if w < last || w > addrMost || w == 0 {
			t.Errorf("wait of %v after %v", w, last)
		}
		if again := wrong(l, home1, "anna", true); again != w {
			t.Errorf("asking while locked changes the wait from %v to %v", w, again)
		}
		if wrong(l, home2, "carl", true) != 0 {
			t.Error("another address waits too")
			break
		}
		delete(l.addrs, Network(home2))
		last = w
		c.pass(w)
		if wrong(l, home1, "anna", true) != 0 {
			t.Error("locked after the wait")
		}
	}
	if last != addrMost {
		t.Errorf("the wait grew to %v", last)
	}
	c.pass(addrMost + forgive + time.Second)
	for i := range addrFree {
		if w := wrong(l, home1, "anna", true); w != 0 {
			t.Errorf("attempt %d after a long time waits %v", i, w)
		}
	}
}

// Strangers at many addresses slow each other down, and not the user at home.
func TestUserIsLockedForStrangersOnly(t *testing.T) {
	c := newClock()
	l := newLockout(c.now)
	own, err := l.begin(home1, "anna", true)
	must(t, err)
	own.right()
	stranger := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(i / 250), byte(1 + i%250)}) }
	locked := 0
	for i := range 1000 {
		if w := wrong(l, stranger(i), "anna", true); w > 0 {
			locked++
			if w > userMost {
				t.Fatalf("wait of %v", w)
			}
		}
	}
	if locked != 1000-userFree {
		t.Errorf("%d of 1000 strangers were refused", locked)
	}
	own, err = l.begin(home1, "anna", true)
	if err != nil {
		t.Fatalf("the user at home: %v", err)
	}
	own.right()
}

func TestOwnAccountWinsNoTriesAtOthers(t *testing.T) {
	c := newClock()
	l := newLockout(c.now)
	tries := 0
	for range 60 { // a second each
		if own, err := l.begin(home1, "ben", true); err == nil {
			own.right()
		}
		if wrong(l, home1, "anna", true) == 0 {
			tries++
		}
		c.pass(time.Second)
	}
	if tries > 12 {
		t.Errorf("%d tries at anna's password in a minute", tries)
	}
}

func TestManyAtOnceGainNothing(t *testing.T) {
	c := newClock()
	l := newLockout(c.now)
	var wg sync.WaitGroup
	var mu sync.Mutex
	let := 0
	for range 200 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if wrong(l, home1, "anna", true) == 0 {
				mu.Lock()
				let++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if let != addrFree {
		t.Errorf("%d of 200 tries were let through", let)
	}
}

func TestIPv6IsCountedByNetwork(t *testing.T) {
	c := newClock()
	l := newLockout(c.now)
	for i := range addrFree {
		wrong(l, netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%d", i+1)), fmt.Sprint("u", i), true)
	}
	if wrong(l, netip.MustParseAddr("2001:db8:1:2:ffff::1"), "anna", true) == 0 {
		t.Error("the same /64 is let try on")
	}
	if wrong(l, netip.MustParseAddr("2001:db8:1:3::1"), "anna", true) != 0 {
		t.Error("another /64 waits")
	}
	if a, b := Network(netip.MustParseAddr("::ffff:192.0.2.1")), Network(home1); a != b {
		t.Errorf("%v and %v are one address", a, b)
	}
}

func TestLockoutMemoryIsBounded(t *testing.T) {
	c := newClock()
	l := newLockout(c.now)
	for i := range 3 * mostAddrs {
		wrong(l, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprint("nobody", i), false)
		c.pass(time.Millisecond)
	}
	if len(l.addrs) > mostAddrs || len(l.users) > userBuckets {
		t.Errorf("%d addresses, %d users", len(l.addrs), len(l.users))
	}
}

// What is asked of the keeper: an unknown user is treated as a known one, and waits are told.
func TestWrongPasswords(t *testing.T) {
	ctx := context.Background()
	_, k, c := house(t)
	for _, name := range []string{"anna", "nobody"} {
		from := map[string]netip.Addr{"anna": home1, "nobody": home2}[name]
		for i := range addrFree {
			_, _, err := k.Login(ctx, from, name, "wrong password")
			var w *WrongError
			if !errors.As(err, &w) || (w.Wait > 0) != (i == addrFree-1) {
				t.Fatalf("%s, attempt %d: %v", name, i, err)
			}
		}
		_, _, err := k.Login(ctx, from, name, good)
		var locked *LockedError
		if !errors.As(err, &locked) || locked.Wait != addrStep || locked.Seconds() != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.pass(addrStep)
	login(t, k, "anna")
	if _, _, err := k.Login(ctx, home1, "anna", string(make([]byte, 5000))); !errors.Is(err, ErrWrong) {
		t.Errorf("an endless password: %v", err)
	}
}
