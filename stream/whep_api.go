package stream

import (
	"fmt"
	"slices"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"

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
func apiFor(settings webrtc.SettingEngine, f format, estimates func() (*estimator, error)) (*webrtc.API, error) {
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
		return estimates()
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
