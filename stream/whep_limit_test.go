package stream

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func statusOf(err error) int {
	var e *refusal
	if errors.As(err, &e) {
		return e.status
	}
	return 0
}

func TestDoors(t *testing.T) {
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	clock := time.Unix(1000, 0)
	d := newDoors(64, 16)
	d.now = func() time.Time { return clock }
	asked := 0
	for d.knock(a) == nil {
		asked++
	}
	if asked != 128 || statusOf(d.knock(a)) != http.StatusTooManyRequests {
		t.Errorf("%d requests at once, want 128", asked)
	}
	if err := d.knock(b); err != nil {
		t.Errorf("another address: %v", err)
	}
	clock = clock.Add(time.Second)
	for range postsPerSecond {
		if err := d.knock(a); err != nil {
			t.Fatalf("a second later: %v", err)
		}
	}
	if d.knock(a) == nil {
		t.Error("more than the rate a second later")
	}
	for n := range 14 {
		if err := d.enter(a, "door"); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if statusOf(d.enter(a, "door")) != http.StatusTooManyRequests {
		t.Error("one address may take every place of a camera")
	}
	if err := d.enter(b, "door"); err != nil {
		t.Errorf("another address: %v", err)
	}
	d.leave(a, "door")
	if err := d.enter(a, "door"); err != nil {
		t.Errorf("after one connected: %v", err)
	}
	for n := 0; ; n++ {
		if d.enter(a, fmt.Sprint("camera", n)) != nil {
			if n != 56-14 {
				t.Errorf("%d half sessions of one address, want 56", n+14)
			}
			break
		}
	}
}

// TestDoorsAreBounded: however many addresses ask, few are remembered, and those with sessions always.
func TestDoorsAreBounded(t *testing.T) {
	clock := time.Unix(1000, 0)
	d := newDoors(64, 16)
	d.now = func() time.Time { return clock }
	keep := netip.MustParsePrefix("192.0.2.1/32")
	if d.knock(keep) != nil || d.enter(keep, "door") != nil {
		t.Fatal("the first was refused")
	}
	for n := range 3 * maxDoors {
		from := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
		if err := d.knock(from); err != nil && statusOf(err) != http.StatusServiceUnavailable {
			t.Fatal(err)
		}
		if len(d.known) > maxDoors {
			t.Fatalf("%d addresses", len(d.known))
		}
		if n%maxDoors == 0 {
			clock = clock.Add(time.Minute)
		}
	}
	if d.known[keep] == nil || d.known[keep].half != 1 {
		t.Error("an address with half a session was forgotten")
	}
	d.leave(keep, "door")
	clock = clock.Add(time.Hour)
	if err := d.knock(netip.MustParsePrefix("192.0.2.9/32")); err != nil {
		t.Errorf("after an hour: %v", err)
	}
	if len(d.known) != 1 {
		t.Errorf("%d addresses are left after an hour", len(d.known))
	}
}

func TestRemoteOf(t *testing.T) {
	for _, tc := range []struct{ name, remote, want string }{
		{"IPv4", "192.0.2.1:5000", "192.0.2.1/32"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5000", "192.0.2.1/32"},
		{"IPv6", "[2001:db8:1:2:3::4]:5000", "2001:db8:1:2::/64"},
		{"zone", "[fe80::1%eth0]:5000", "fe80::/64"},
		{"none", "pipe", "invalid Prefix"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := remoteOf(&http.Request{RemoteAddr: tc.remote}).String(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
