package config

import (
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// ICEServer is one of webrtc.ice_servers.
type ICEServer struct {
	URL        string // without user and password
	Username   string
	Credential string
}

// Servers are the STUN and TURN servers of the configuration, which has checked them.
func (w WebRTC) Servers() []ICEServer {
	var out []ICEServer
	for _, s := range w.ICEServers {
		if server, ok := parseICEServer(s); ok {
			out = append(out, server)
		}
	}
	return out
}

// parseICEServer reads stun:host[:port] (RFC 7064) and turn:user:password@host[:port][?transport=udp] (RFC 7065, with
// the credentials in front, which that has no place for). A password may hold any character.
func parseICEServer(s string) (ICEServer, bool) {
	scheme, rest, _ := strings.Cut(s, ":")
	var server ICEServer
	switch scheme {
	case "stun", "stuns":
	case "turn", "turns":
		at := strings.LastIndexByte(rest, '@')
		if at < 0 {
			return server, false
		}
		var ok bool
		if server.Username, server.Credential, ok = strings.Cut(rest[:at], ":"); !ok || server.Username == "" || !visible(rest[:at]) {
			return server, false
		}
		rest = rest[at+1:]
	default:
		return server, false
	}
	host, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery && (!strings.HasPrefix(scheme, "turn") || !slices.Contains([]string{"transport=udp", "transport=tcp"}, query)) {
		return server, false
	}
	server.URL = scheme + ":" + rest
	return server, isHostPort(host)
}

// visible says whether a text fits into a header of HTTP.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isHostPort takes a host with or without a port; IPv6 addresses stand in brackets.
func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return isHost(s) && (!strings.Contains(s, ":") || strings.HasPrefix(s, "["))
	}
	n, ok := whole(port)
	return ok && n > 0 && n <= 65535 && isHost(host)
}

// checkICEServer quotes nothing: the text may hold a password.
func checkICEServer(s string) string {
	if _, ok := parseICEServer(s); !ok {
		return "is no STUN or TURN server"
	}
	return ""
}

func checkPublicIP(s string) string {
	if ip, err := netip.ParseAddr(s); err != nil || ip.Zone() != "" || ip.IsUnspecified() {
		return show(s) + " is no IP address"
	}
	return ""
}

func checkInterface(s string) string {
	if _, err := path.Match(s, ""); err != nil || strings.TrimSpace(s) == "" {
		return show(s) + " is no name of a network interface"
	}
	return ""
}
