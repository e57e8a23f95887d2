package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestUsesInterface(t *testing.T) {
	for _, tc := range []struct {
		name      string
		list      []string
		yes, no   string // names
		wantError bool
	}{
		{"default", nil, "lo eth0 wlan0 enp3s0 end0 wg0 tailscale0 ppp0 br0", "docker0 br-0a1b2c3d veth12 virbr0 cni0 flannel.1 lxcbr0 vmnet8 vboxnet0", false},
		{"names", []string{"eth0"}, "lo eth0", "eth1 wlan0", false},
		{"patterns", []string{"eth*", "docker0"}, "lo eth0 eth1 docker0", "wlan0", false},
		{"damaged", []string{"eth["}, "", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			use, err := usesInterface(tc.list)
			if (err != nil) != tc.wantError {
				t.Fatal(err)
			}
			for _, name := range strings.Fields(tc.yes) {
				if !use(name) {
					t.Errorf("%s is left out", name)
				}
			}
			for _, name := range strings.Fields(tc.no) {
				if use(name) {
					t.Errorf("%s is used", name)
				}
			}
		})
	}
}

var anyInterface = func(string) bool { return true }

// TestPortsFollowAddresses: an address that comes later is served, and one that stays away is given up.
func TestPortsFollowAddresses(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, err := openPorts(portsConfig{TCP: true, MaxTCP: 4, Use: anyInterface, Loopback: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	now := []netip.Addr{one}
	p.addrs = func() ([]netip.Addr, error) { return now, nil }
	look := func() []string {
		p.mu.Lock()
		p.looked = time.Time{}
		p.mu.Unlock()
		var out []string
		for _, a := range p.GetListenAddresses() {
			out = append(out, a.(*net.UDPAddr).IP.String())
			if port := a.(*net.UDPAddr).Port; port != p.port {
				t.Errorf("port %d, want %d", port, p.port)
			}
		}
		return out
	}
	now = []netip.Addr{one, two}
	if got := look(); !slices.Contains(got, "127.0.0.2") {
		t.Errorf("a new address is not served: %v", got)
	}
	if _, err := p.GetConn("user", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: p.port}); err != nil {
		t.Error(err)
	}
	now = []netip.Addr{one}
	if got := look(); !slices.Contains(got, "127.0.0.2") {
		t.Error("an address is given up at once")
	}
	p.mu.Lock()
	for _, m := range p.muxes {
		m.seen = time.Now().Add(-2 * forgetAfter)
	}
	p.mu.Unlock()
	if got := look(); !slices.Equal(got, []string{"127.0.0.1"}) {
		t.Errorf("addresses %v", got)
	}
	if _, err := p.GetConn("user", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: p.port}); err == nil {
		t.Error("an address that is gone was given")
	}
}

func TestPicturePortTaken(t *testing.T) {
	p, err := openPorts(portsConfig{TCP: true, MaxTCP: 4, Use: anyInterface, Loopback: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, tcp := range []bool{true, false} {
		_, err := openPorts(portsConfig{Port: p.port, TCP: tcp, MaxTCP: 4, Use: anyInterface, Loopback: true, Log: zerolog.Nop()})
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "webrtc.port") || strings.Contains(err.Error(), "\n") {
			t.Errorf("TCP %v: %v", tcp, err)
		}
	}
}

// TestTCPFlood: connections that say nothing are few and short.
func TestTCPFlood(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, err := openPorts(portsConfig{TCP: true, MaxTCP: 8, Use: anyInterface, Loopback: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var d net.Dialer
	for range 20 {
		c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	open := 0
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		var timeout net.Error
		if _, err := c.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
			open++
		}
	}
	if open != 4 {
		t.Errorf("%d connections of one address are open, want 4", open)
	}
	_ = conns[0].SetReadDeadline(time.Now().Add(4 * tcpFirstPacket))
	if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a silent connection is kept: %v", err)
	}
}

func TestCandidateLines(t *testing.T) {
	got := candidateLines([]string{"192.0.2.7"}, 8189, true)
	want := "a=candidate:9000 1 udp 2114185471 192.0.2.7 8189 typ host\r\n" +
		"a=candidate:9100 1 tcp 1342433535 192.0.2.7 8189 typ host tcptype passive\r\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
