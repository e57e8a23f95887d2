package stream

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/pion/ice/v2"
	"github.com/rs/zerolog"
)

const (
	// lookAgain is how long a look at the machine's addresses holds.
	lookAgain = 2 * time.Second
	// forgetAfter is how long an address may be away before its socket is closed: a lease that is renewed and a cable
	// that is put back are the same address again.
	forgetAfter = time.Minute
	// maxAddrs bounds the addresses that we are reached on; each is a candidate for every viewer.
	maxAddrs = 32
	// portTries is how often another port is tried if none was given and the one found is taken on some address.
	portTries = 20

	tcpFirstPacket = 5 * time.Second // in which a TCP connection must say whose it is
	tcpBuffer      = 64 << 10        // bytes that may wait in a TCP connection; more is dropped, as a full path drops
	tcpReadQueue   = 8               // packets
)

type portsConfig struct {
	Port     int // 0: any free one
	TCP      bool
	MaxTCP   int // connections
	Use      func(name string) bool
	Loopback bool
	Log      zerolog.Logger
}

// ports is one UDP port, the same on each of the machine's addresses, shared by all viewers of all cameras; and a TCP port
// of the same number. It has a socket for each address, so that answers leave from where the question came in, and
// follows addresses that come and go: a daemon starts before the network is up. It is an ice.UDPMux.
type ports struct {
	cfg   portsConfig
	port  int
	tcp   *ice.TCPMuxDefault // nil without TCP
	addrs func() ([]netip.Addr, error)

	mu     sync.Mutex // guards what follows
	muxes  map[netip.Addr]*portMux
	looked time.Time
	warned map[netip.Addr]bool // a socket could not be opened
	closed bool
}

// portMux is the port on one address.
type portMux struct {
	*ice.UDPMuxDefault
	seen time.Time // when the machine last had the address
}

func openPorts(cfg portsConfig) (*ports, error) {
	var err error
	for range portTries {
		p := &ports{
			cfg: cfg, port: cfg.Port, muxes: map[netip.Addr]*portMux{}, warned: map[netip.Addr]bool{},
			addrs: func() ([]netip.Addr, error) { return localAddrs(cfg.Use, cfg.Loopback) },
		}
		if err = p.open(); err == nil {
			return p, nil
		}
		err = errors.Join(err, p.Close())
		if cfg.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, err
}

// open takes the port on every address that there is now. Only a port that is taken is an error.
func (p *ports) open() error {
	if p.cfg.TCP {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", p.port))
		if err != nil {
			return p.taken("TCP", fmt.Sprintf(":%d", p.port), err)
		}
		p.port = l.Addr().(*net.TCPAddr).Port
		p.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener:       newICEListener(l, p.cfg.MaxTCP, p.has),
			Logger:         pionLogs{p.cfg.Log}.NewLogger("ice"),
			ReadBufferSize: tcpReadQueue, WriteBufferSize: tcpBuffer,
			FirstStunBindTimeout: tcpFirstPacket, AliveDurationForConnFromStun: tcpFirstPacket,
		})
	}
	addrs, err := p.addrs()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = time.Now()
	for _, a := range addrs {
		if err := p.add(a, p.looked); errors.Is(err, syscall.EADDRINUSE) {
			return p.taken("UDP", netip.AddrPortFrom(a, uint16(p.port)).String(), err)
		}
	}
	return nil
}

func (p *ports) taken(network, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s port %s for live pictures is taken by another program; give another as webrtc.port, or 0 for any free one: %w",
			network, address, err)
	}
	return fmt.Errorf("open %s port %s for live pictures: %w", network, address, err)
}

// add opens the port on an address. mu is held.
func (p *ports) add(a netip.Addr, now time.Time) error {
	if m := p.muxes[a]; m != nil {
		m.seen = now
		return nil
	}
	if len(p.muxes) >= maxAddrs {
		return nil
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(p.port))))
	if err != nil {
		return err // also an IPv6 address that is still being checked for a double; later it is taken
	}
	p.port = conn.LocalAddr().(*net.UDPAddr).Port
	p.muxes[a] = &portMux{seen: now, UDPMuxDefault: ice.NewUDPMuxDefault(ice.UDPMuxParams{
		UDPConn: conn, Logger: pionLogs{p.cfg.Log}.NewLogger("ice"),
	})}
	return nil
}

// look follows the machine's addresses. mu is held.
func (p *ports) look() {
	now := time.Now()
	if p.closed || now.Sub(p.looked) < lookAgain {
		return
	}
	p.looked = now
	addrs, err := p.addrs()
	if err != nil {
		p.cfg.Log.Debug().Err(err).Msg("look for new network addresses")
		return
	}
	for _, a := range addrs {
		err := p.add(a, now)
		if err != nil && !p.warned[a] && len(p.warned) < maxAddrs {
			p.warned[a] = true
			p.cfg.Log.Warn().Err(err).Stringer("address", a).Msg("live pictures cannot be had on this address")
		}
	}
	for a, m := range p.muxes {
		if now.Sub(m.seen) > forgetAfter {
			_ = m.Close() // it is of no use any more
			delete(p.muxes, a)
		}
	}
}

// has says whether we are to be reached on an address.
func (p *ports) has(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
	return p.muxes[a.Unmap()] != nil
}

// GetListenAddresses are those of now.
func (p *ports) GetListenAddresses() []net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
	var out []net.Addr
	for _, a := range slices.SortedFunc(maps.Keys(p.muxes), netip.Addr.Compare) {
		out = append(out, p.muxes[a].LocalAddr())
	}
	return out
}

// GetConn gives a viewer, known by its ICE user name, its part of the port on an address.
func (p *ports) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("%v is no UDP address", addr)
	}
	p.mu.Lock()
	m := p.muxes[udp.AddrPort().Addr().Unmap()]
	p.mu.Unlock()
	if m == nil {
		return nil, fmt.Errorf("%v is no address of this machine any more", addr)
	}
	return m.GetConn(ufrag, addr)
}

// RemoveConnByUfrag forgets a viewer.
func (p *ports) RemoveConnByUfrag(ufrag string) {
	for _, m := range p.all() {
		m.RemoveConnByUfrag(ufrag)
	}
}

func (p *ports) all() []*portMux {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.muxes))
}

// Close frees the port. It may be called twice.
func (p *ports) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if !first {
		return nil
	}
	var errs []error
	for _, m := range p.all() {
		errs = append(errs, m.Close())
	}
	if p.tcp != nil {
		errs = append(errs, p.tcp.Close())
	}
	return errors.Join(errs...)
}
