package access

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPHC(t *testing.T) {
	text, err := hashPassword(context.Background(), good)
	must(t, err)
	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", text)
	}
	p, err := parsePHC(text)
	must(t, err)
	for password, want := range map[string]bool{good: true, good + " ": false, "": false} {
		if ok, err := p.verify(context.Background(), password); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	again, err := hashPassword(context.Background(), good)
	must(t, err)
	if again == text {
		t.Error("two hashes have one salt")
	}
	// From the tests of golang.org/x/crypto, made by the reference implementation.
	p, err = parsePHC("$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHQ$NQrDciL0Nsy1wJcvHr079rlYvyBxhBNi")
	must(t, err)
	if ok, err := p.verify(context.Background(), "password"); !ok || err != nil {
		t.Errorf("the reference's hash: %v, %v", ok, err)
	}
}

func TestFaultyPHC(t *testing.T) {
	const whole = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if _, err := parsePHC(whole); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"another kind": {"argon2id", "argon2d"}, "another version": {"v=19", "v=16"}, "much memory": {"m=19456", "m=4194304"},
		"no memory": {"m=19456", "m=0"}, "many passes": {"t=2", "t=100"}, "no pass": {"t=2", "t=0"}, "many lanes": {"p=1", "p=255"},
		"leading nought": {"t=2", "t=02"}, "sign": {"t=2", "t=+2"}, "short salt": {"$AAAAAAAAAAAAAAAAAAAAAA$", "$AAAA$"}, "no salt": {"$AAAAAAAAAAAAAAAAAAAAAA$", "$$"},
		"padding": {"AAAAAA$", "AAAAAA==$"}, "more": {"$v", "$$v"}, "no base64": {"AAA$", "A!A$"}, "more parameters": {"p=1", "p=1,x=1"},
	} {
		if _, err := parsePHC(strings.Replace(whole, pair[0], pair[1], 1)); !errors.Is(err, errPHC) {
			t.Errorf("%s is taken: %v", name, err)
		}
	}
}

// One hash at a time, few wait, and who goes away waits no longer.
func TestHashingTakesTurns(t *testing.T) {
	must(t, hashing.take(context.Background()))
	answers := make(chan error, mostWaiting)
	ctx, cancel := context.WithCancel(context.Background())
	for range mostWaiting {
		go func() {
			_, err := hashPassword(ctx, good)
			answers <- err
		}()
	}
	for hashing.waiting.Load() < mostWaiting {
		time.Sleep(time.Millisecond) // the test binary's own limit ends this
	}
	if _, err := hashPassword(context.Background(), good); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	for range mostWaiting {
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("who went away got %v", err)
		}
	}
	hashing.leave()
	if _, err := hashPassword(context.Background(), good); err != nil {
		t.Error(err)
	}
}

// A password that could not be looked at is no wrong one.
func TestBusyIsNoStrike(t *testing.T) {
	_, k, _ := house(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 3 * addrFree {
		if _, _, err := k.Login(ctx, home1, "anna", "wrong password"); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	login(t, k, "anna")
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		if _, err := hashPassword(context.Background(), good); err != nil {
			b.Fatal(err)
		}
	}
}
