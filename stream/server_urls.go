package stream

import (
	"net"
	"net/netip"
	"strconv"
)

// URLs are the addresses to open in a browser: one for this machine first, then, for an address that all machines
// reach, one for each of this machine's network addresses. None before Listen.
func (s *Server) URLs() []string {
	var out []string
	seen := map[string]bool{}
	scheme := "http"
	if s.cfg.TLS != nil {
		scheme = "https"
	}
	add := func(ip netip.Addr, port int) {
		u := scheme + "://" + net.JoinHostPort(ip.String(), strconv.Itoa(port)) + s.base + "/"
		if !seen[u] {
			seen[u] = true
			out = append(out, u)
		}
	}
	for _, a := range s.Addrs() {
		t, ok := a.(*net.TCPAddr)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(t.IP)
		if !ok {
			continue
		}
		if ip = ip.Unmap(); !ip.IsUnspecified() {
			add(ip, t.Port)
			continue
		}
		add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), t.Port)
		for _, ip := range machineAddrs() {
			add(ip, t.Port)
		}
	}
	return out
}

// machineAddrs are this machine's addresses as others see them; link-local IPv6 needs a zone and is of no use in a URL.
func machineAddrs() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		if ip = ip.Unmap(); ip.IsGlobalUnicast() {
			out = append(out, ip)
		}
	}
	return out
}
