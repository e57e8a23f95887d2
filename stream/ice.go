package stream

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"

	"github.com/pion/ice/v2"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"
	"github.com/rs/zerolog"
)

// innerInterfaces are those of containers and virtual machines, as path.Match patterns: no viewer reaches us by their
// addresses, and each costs viewers time to try.
var innerInterfaces = []string{
	"docker*", "br-*", "veth*", "virbr*", "vnet*", "cni*", "flannel*", "cali*", "kube*", "lxc*", "lxd*", "podman*",
	"nerdctl*", "hassio", "vmnet*", "vboxnet*",
}

// ICEServer is a STUN or TURN server that viewers may use to find a way to us. We use none: with a fixed port and
// PublicIPs they find us.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// links are the server's as Link headers (draft-ietf-wish-whep, 4.6).
func (s ICEServer) links() []string {
	var out []string
	for _, u := range s.URLs {
		link := fmt.Sprintf(`<%s>; rel="ice-server"`, u)
		if s.Username != "" {
			link += fmt.Sprintf(`; username=%s; credential=%s; credential-type="password"`, quoted(s.Username), quoted(s.Credential))
		}
		out = append(out, link)
	}
	return out
}

// quoted is a quoted-string of RFC 9110, 5.6.4.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// usesInterface makes the filter of network interfaces: those of the list, which may hold patterns, or all but those
// of containers and virtual machines. Loopback is always taken, for a browser on this machine; whether it is used at
// all is another setting.
func usesInterface(list []string) (func(name string) bool, error) {
	for _, p := range list {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("network interface %q: not a name or pattern like \"eth*\"", p)
		}
	}
	return func(name string) bool {
		if name == "lo" || len(list) > 0 {
			return name == "lo" || matches(list, name)
		}
		return !matches(innerInterfaces, name)
	}, nil
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok { // the patterns were checked
			return true
		}
	}
	return false
}

// localAddrs are the machine's addresses on interfaces in use, as pion takes them: no link-local IPv6, which needs a
// zone, and no ::1.
func localAddrs(use func(name string) bool, loopback bool) ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var out []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 && !loopback || !use(i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			ip := p.Addr().Unmap()
			if ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsLoopback()) || ip.IsUnspecified() {
				continue
			}
			out = append(out, ip)
		}
	}
	return out, nil
}

// newSettings opens the port and sets up what all viewers share. close frees the port.
func newSettings(cfg WHEPConfig) (s webrtc.SettingEngine, port int, closer func() error, err error) {
	s = webrtc.SettingEngine{LoggerFactory: pionLogs{cfg.Log}}
	for _, ip := range cfg.PublicIPs {
		if _, err := netip.ParseAddr(ip); err != nil {
			return s, 0, nil, fmt.Errorf("public address %q: give an IP address", ip)
		}
	}
	use, err := usesInterface(cfg.Interfaces)
	if err != nil {
		return s, 0, nil, err
	}
	p, err := openPorts(portsConfig{
		Port: cfg.Port, TCP: cfg.TCP, MaxTCP: 4 * cfg.MaxViewers, Use: use, Loopback: cfg.IncludeLoopback, Log: cfg.Log,
	})
	if err != nil {
		return s, 0, nil, err
	}
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if cfg.TCP {
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
		s.SetICETCPMux(p.tcp)
	}
	s.SetICEUDPMux(p)
	s.SetNetworkTypes(networks)
	s.DisableActiveTCP(true)
	s.SetICETimeouts(disconnectAfter, failAfter, keepalive)
	s.SetIncludeLoopbackCandidate(cfg.IncludeLoopback)
	s.SetInterfaceFilter(use)
	// Browsers hide their addresses behind .local names. They need not be looked up: the browser calls us.
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return s, p.port, p.Close, nil
}

// publicCandidates adds the addresses that a router in front gives us to an answer, after those of our own: viewers in
// our network go on using these. pion's own way would replace them.
func publicCandidates(answer string, ips []string, port int, tcp bool) string {
	at := strings.Index(answer, "a=end-of-candidates")
	if at < 0 || len(ips) == 0 {
		return answer
	}
	return answer[:at] + candidateLines(ips, port, tcp) + answer[at:]
}

// candidateLines are host candidates (RFC 8445, 5.1.2) that are tried after our own, and RFC 6544's for TCP.
func candidateLines(ips []string, port int, tcp bool) string {
	const local, hostUDP, hostTCP = 1000, 126, 80 // pion's own have local preferences of 8191 and more
	var b strings.Builder
	for i, ip := range ips {
		preference := uint32(local-i)<<8 | 255
		fmt.Fprintf(&b, "a=candidate:%d 1 udp %d %s %d typ host\r\n", 9000+i, hostUDP<<24|preference, ip, port)
		if tcp {
			fmt.Fprintf(&b, "a=candidate:%d 1 tcp %d %s %d typ host tcptype passive\r\n", 9100+i, hostTCP<<24|preference, ip, port)
		}
	}
	return b.String()
}

// pionLogs carries pion's warnings and errors into ours at debug level: they are about single peers and packets.
type pionLogs struct{ log zerolog.Logger }

// NewLogger makes the logger of one part of pion.
func (p pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.With().Str("pion", scope).Logger()}
}

type pionLog struct{ log zerolog.Logger }

func (pionLog) Trace(string)                  {}
func (pionLog) Tracef(string, ...interface{}) {}
func (pionLog) Debug(string)                  {}
func (pionLog) Debugf(string, ...interface{}) {}
func (pionLog) Info(string)                   {}
func (pionLog) Infof(string, ...interface{})  {}

func (p pionLog) Warn(msg string)                       { p.log.Debug().Msg(msg) }
func (p pionLog) Warnf(format string, a ...interface{}) { p.log.Debug().Msgf(format, a...) }
func (p pionLog) Error(msg string)                      { p.log.Debug().Msg(msg) }
func (p pionLog) Errorf(format string, a ...interface{}) {
	p.log.Debug().Msgf(format, a...)
}
