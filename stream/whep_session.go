package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"
)

// sessionConfig is what a session is made from.
type sessionConfig struct {
	name   string // the camera's
	b      *Broadcaster
	asked  asked
	offer  offered
	format format // to be sent
	text   string // the offer
	leave  places
}

// asked is what the request's query says.
type asked struct {
	rendition string
	exact     bool // pictures wait until what is seen on them is known
}

// session is one viewer's connection, from the answer to its end.
type session struct {
	sessionConfig        // offer.candidates, ufrag and pwd change under patching
	id            string // unguessable: who knows it may end the session
	w             *WHEP
	pc            *webrtc.PeerConnection
	sender        *webrtc.RTPSender
	rtp           *rtpStream
	pacer         *pacer
	repairs       repairs
	ssrc          uint32
	estimator     *estimator
	measures      bool // the receiver reports arrival times, from which the estimator works

	patching sync.Mutex             // held by the one PATCH that works
	etag     atomic.Pointer[string] // of the present ICE credentials
	path     atomic.Int64           // bits per second that the path carries
	viewer   atomic.Pointer[viewer] // nil until the session plays

	ctx       context.Context
	cancel    context.CancelFunc
	connected chan struct{} // closed when ICE and DTLS are through
	once      sync.Once     // closes connected
	ended     chan struct{} // closed when nothing of the session is left
}

// newSession makes a peer connection for the offer and its answer, candidates included. It runs nothing of ours yet.
func (w *WHEP) newSession(ctx context.Context, cfg sessionConfig) (*session, string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, "", fmt.Errorf("make a viewer's id: %w", err)
	}
	nominal := cfg.b.nominal(cfg.asked.rendition)
	s := &session{
		sessionConfig: cfg, id: hex.EncodeToString(id), w: w, pacer: newPacer(nominal),
		connected: make(chan struct{}), ended: make(chan struct{}),
	}
	s.pacer.worth, s.pacer.refused = s.repairs.worth, s.repairs.refused
	s.path.Store(int64(nominal))
	if err := s.renew(); err != nil {
		return nil, "", err
	}
	api, err := apiFor(w.settings, cfg.format, func() (made *estimator, err error) {
		made, err = newEstimator(nominal, s.pacer, s.estimated, w.settings.LoggerFactory)
		s.estimator = made // pion calls this once, before NewPeerConnection returns
		return made, err
	})
	if err != nil {
		return nil, "", err
	}
	if s.pc, err = api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle}); err != nil {
		return nil, "", fmt.Errorf("make a peer connection: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(w.ctx)
	s.pc.OnConnectionStateChange(s.changed)
	answer, err := s.answer(ctx)
	if err != nil {
		s.discard()
		return nil, "", err
	}
	return s, answer, nil
}

// nearMost is the part of the most that can be measured at which a path is taken to carry anything: a camera's own stream
// can be beyond that.
const nearMost = 0.95

// estimated is called by the estimator whenever the estimate changes, with the most that it can be.
func (s *session) estimated(bps, most int) {
	if float64(bps) >= nearMost*float64(most) {
		bps = math.MaxInt32
	}
	s.path.Store(int64(bps))
	if v := s.viewer.Load(); v != nil {
		v.estimate(bps)
	}
}

// changed is called by pion.
func (s *session) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		s.once.Do(func() {
			close(s.connected)
			s.leave.connected()
		})
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		s.cancel()
	}
}

func (s *session) answer(ctx context.Context) (string, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(capability(s.format), "video", s.name)
	if err != nil {
		return "", fmt.Errorf("make a track: %w", err)
	}
	init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	transceiver, err := s.pc.AddTransceiverFromTrack(track, init)
	if err != nil {
		return "", fmt.Errorf("add the track: %w", err)
	}
	s.sender = transceiver.Sender()
	s.rtp = newRTPStream(track)
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: s.text}); err != nil {
		return "", fail(http.StatusBadRequest, "SDP offer cannot be used: %s", oneLine(err))
	}
	answer, err := s.gather(ctx)
	if err != nil {
		return "", err
	}
	s.negotiated()
	return answer, nil
}

// gather answers the offer that was set last, with all candidates.
func (s *session) gather(ctx context.Context) (string, error) {
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return "", fail(http.StatusBadRequest, "SDP offer cannot be answered: %s", oneLine(err))
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(answer); err != nil {
		return "", fail(http.StatusBadRequest, "SDP offer cannot be answered: %s", oneLine(err))
	}
	// Nothing cuts this short, not even a client that has gone: the ICE agent (pion/ice 2.3.38) lets go of the shared TCP port before
	// it ends gathering, and what it gathers after that stays for good.
	timeout := time.NewTimer(gatherTimeout)
	defer timeout.Stop()
	select {
	case <-gathered:
	case <-timeout.C:
		return "", retryLater(5, "the server found no network address to be reached on in time")
	}
	switch {
	case ctx.Err() != nil:
		return "", retryLater(1, "the request was given up")
	case s.ctx.Err() != nil:
		return "", retryLater(5, "the connection ended before it began")
	}
	return publicCandidates(s.pc.LocalDescription().SDP, s.w.cfg.PublicIPs, s.w.port, s.w.cfg.TCP), nil
}

// negotiated reads what the two sides agreed on.
func (s *session) negotiated() {
	p := s.sender.GetParameters()
	if len(p.Encodings) > 0 {
		s.ssrc = uint32(p.Encodings[0].SSRC)
	}
	for _, e := range p.HeaderExtensions {
		switch {
		case e.ID < 1 || e.ID > maxExtensionID:
		case e.URI == playoutDelayURI:
			s.rtp.delayID = uint8(e.ID)
		case e.URI == sdp.TransportCCURI:
			s.measures = true
		}
	}
	s.setDelay(0)
}

// comingUp is how long a connection that is just coming up may take before it is closed all the same.
const comingUp = 250 * time.Millisecond

// settle lets a connection that is just coming up come up: pion 3.3.6 races with itself if it is closed in between
// (ICETransport.stop reads what Start is about to set) and could leave its parts behind.
func (s *session) settle() {
	if s.pc.ConnectionState() != webrtc.PeerConnectionStateConnecting {
		return
	}
	timeout := time.NewTimer(comingUp)
	defer timeout.Stop()
	select {
	case <-s.connected:
	case <-timeout.C:
	}
}

// discard closes the connection and waits for pion's goroutines. It may be called twice.
func (s *session) discard() {
	s.cancel()
	s.settle()
	if err := s.pc.GracefulClose(); err != nil {
		s.w.cfg.Log.Debug().Err(err).Str("camera", s.name).Msg("connection did not close cleanly")
	}
}
