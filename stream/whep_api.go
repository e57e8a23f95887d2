package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"
	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

const (
	// A browser that says nothing for disconnectAfter is unreachable, and for failAfter longer gone: together the
	// 10 to 15 s that a phone takes to change networks.
	disconnectAfter = 5 * time.Second
	failAfter       = 7 * time.Second
	keepalive       = 2 * time.Second
	// nackPackets are kept for retransmission for each viewer: about 2 s at 1.5 Mbit/s.
	nackPackets = 256

	playoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	maxExtensionID  = 14 // of one-byte header extensions
)

// apiFor sets pion up for one viewer: one codec, and interceptors in this order from the wire: bandwidth estimation
// (with the pacer), transport-wide sequence numbers, retransmission. What a viewer writes passes them from the last to
// the first, so that retransmissions are numbered and paced like all else. Sender reports are the session's own, since
// pion's tell when a picture was sent and not when it was seen.
func apiFor(settings webrtc.SettingEngine, f format, nominal int, p *pacer, tell func(bps int)) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	codec := webrtc.RTPCodecParameters{RTPCodecCapability: capability(f), PayloadType: webrtc.PayloadType(f.payloadType)}
	if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, fmt.Errorf("register %s: %w", codec.MimeType, err)
	}
	for _, uri := range []string{sdp.TransportCCURI, playoutDelayURI} {
		if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, fmt.Errorf("register %s: %w", uri, err)
		}
	}
	logs := settings.LoggerFactory
	congestion, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return newEstimator(nominal, p, tell, logs)
	})
	if err != nil {
		return nil, fmt.Errorf("congestion control: %w", err)
	}
	numbers, err := twcc.NewHeaderExtensionInterceptor()
	if err != nil {
		return nil, fmt.Errorf("transport-wide sequence numbers: %w", err)
	}
	resend, err := nack.NewResponderInterceptor(nack.ResponderSize(nackPackets), nack.WithResponderLoggerFactory(logs))
	if err != nil {
		return nil, fmt.Errorf("retransmission: %w", err)
	}
	registry := &interceptor.Registry{}
	registry.Add(congestion)
	registry.Add(shortIDs{})
	registry.Add(numbers)
	registry.Add(resend)
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings)), nil
}

// capability is a format as pion has it.
func capability(f format) webrtc.RTPCodecCapability {
	c := webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock, SDPFmtpLine: f.fmtp,
		RTCPFeedback: []webrtc.RTCPFeedback{
			{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"},
			{Type: webrtc.TypeRTCPFBTransportCC}, {Type: webrtc.TypeRTCPFBGoogREMB},
		},
	}
	if f.codec == pipeline.H264 {
		c.MimeType = webrtc.MimeTypeH264
	}
	return c
}

// shortIDs is an interceptor that hides header extensions with ids that one-byte headers (RFC 8285, 4.2) cannot hold:
// nobody offers such, and pion would lose every packet.
type shortIDs struct{ interceptor.NoOp }

func (shortIDs) NewInterceptor(string) (interceptor.Interceptor, error) { return &shortIDs{}, nil }

func (*shortIDs) BindLocalStream(info *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	info.RTPHeaderExtensions = slices.DeleteFunc(info.RTPHeaderExtensions, func(e interceptor.RTPHeaderExtension) bool {
		return e.ID < 1 || e.ID > maxExtensionID
	})
	return w
}

func newSettings(cfg WHEPConfig) (webrtc.SettingEngine, func() error, error) {
	closer := func() error { return nil }
	s := webrtc.SettingEngine{LoggerFactory: pionLogs{cfg.Log}}
	if err := checkPorts(cfg); err != nil {
		return s, nil, err
	}
	for _, ip := range cfg.PublicIPs {
		if net.ParseIP(ip) == nil {
			return s, nil, fmt.Errorf("whep: public address %q: give an IP address", ip)
		}
	}
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.DisableActiveTCP(true)
	s.SetICETimeouts(disconnectAfter, failAfter, keepalive)
	s.SetIncludeLoopbackCandidate(cfg.IncludeLoopback)
	// Browsers hide their addresses behind .local names. They need not be looked up: the browser calls us.
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if len(cfg.Interfaces) > 0 {
		s.SetInterfaceFilter(func(name string) bool { return slices.Contains(cfg.Interfaces, name) })
	}
	if len(cfg.PublicIPs) > 0 {
		s.SetNAT1To1IPs(cfg.PublicIPs, webrtc.ICECandidateTypeHost)
	}
	if cfg.UDPPort != 0 {
		mux, err := newMux(cfg)
		if err != nil {
			return s, nil, err
		}
		s.SetICEUDPMux(mux)
		closer = mux.Close
	} else if cfg.UDPPortMin != 0 {
		if err := s.SetEphemeralUDPPortRange(uint16(cfg.UDPPortMin), uint16(cfg.UDPPortMax)); err != nil {
			return s, nil, fmt.Errorf("whep: UDP ports %d to %d: %w", cfg.UDPPortMin, cfg.UDPPortMax, err)
		}
	}
	return s, closer, nil
}

func checkPorts(cfg WHEPConfig) error {
	for _, p := range []int{cfg.UDPPort, cfg.UDPPortMin, cfg.UDPPortMax} {
		if p < 0 || p > 65535 {
			return fmt.Errorf("whep: UDP port %d: must be 1 to 65535", p)
		}
	}
	if (cfg.UDPPortMin == 0) != (cfg.UDPPortMax == 0) || cfg.UDPPortMax < cfg.UDPPortMin {
		return fmt.Errorf("whep: UDP ports %d to %d: give both, the smaller first", cfg.UDPPortMin, cfg.UDPPortMax)
	}
	if cfg.UDPPort != 0 && cfg.UDPPortMin != 0 {
		return errors.New("whep: give one UDP port or a range of UDP ports, not both")
	}
	return nil
}

// newMux opens one UDP port on every interface's address.
func newMux(cfg WHEPConfig) (*ice.MultiUDPMuxDefault, error) {
	options := []ice.UDPMuxFromPortOption{
		ice.UDPMuxFromPortWithLogger(pionLogs{cfg.Log}.NewLogger("ice")),
	}
	if cfg.IncludeLoopback {
		options = append(options, ice.UDPMuxFromPortWithLoopback())
	}
	if len(cfg.Interfaces) > 0 {
		options = append(options, ice.UDPMuxFromPortWithInterfaceFilter(
			func(name string) bool { return slices.Contains(cfg.Interfaces, name) }))
	}
	mux, err := ice.NewMultiUDPMuxFromPort(cfg.UDPPort, options...)
	if err != nil {
		return nil, fmt.Errorf("whep: open UDP port %d for live pictures: %w", cfg.UDPPort, err)
	}
	return mux, nil
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
