package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"

	"yfv2d/pipeline"
)

// session is one viewer's connection, from the answer to its end.
type session struct {
	id     string // unguessable: who knows it may end the session
	name   string // the camera's
	w      *WHEP
	b      *Broadcaster
	pc     *webrtc.PeerConnection
	sender *webrtc.RTPSender
	rtp    *rtpStream

	ctx       context.Context
	cancel    context.CancelFunc
	connected chan struct{} // closed when ICE and DTLS are through
	once      sync.Once     // closes connected
	ended     chan struct{} // closed when nothing of the session is left
}

// newSession makes a peer connection for the offer and its answer, candidates included. It runs nothing of ours yet.
func (w *WHEP) newSession(ctx context.Context, name string, b *Broadcaster, offer string) (*session, string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, "", fmt.Errorf("make a viewer's id: %w", err)
	}
	pc, err := w.api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle})
	if err != nil {
		return nil, "", fmt.Errorf("make a peer connection: %w", err)
	}
	s := &session{
		id: hex.EncodeToString(id), name: name, w: w, b: b, pc: pc,
		connected: make(chan struct{}), ended: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(w.ctx)
	pc.OnConnectionStateChange(s.changed)
	answer, err := s.answer(ctx, offer)
	if err != nil {
		s.discard()
		return nil, "", err
	}
	return s, answer, nil
}

// changed is called by pion.
func (s *session) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		s.once.Do(func() { close(s.connected) })
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		s.cancel()
	}
}

func (s *session) answer(ctx context.Context, offer string) (string, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(h264Codec(), "video", s.name)
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
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fail(http.StatusBadRequest, "SDP offer cannot be used: %s", oneLine(err))
	}
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return "", fail(http.StatusBadRequest, "SDP offer cannot be answered: %s", oneLine(err))
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(answer); err != nil {
		return "", fail(http.StatusBadRequest, "SDP offer cannot be answered: %s", oneLine(err))
	}
	timeout := time.NewTimer(gatherTimeout)
	defer timeout.Stop()
	select {
	case <-gathered:
		return s.pc.LocalDescription().SDP, nil
	case <-timeout.C:
		return "", retryLater(5, "the server found no network address to be reached on in time")
	case <-ctx.Done():
		return "", retryLater(1, "the request was given up")
	case <-s.ctx.Done():
		return "", retryLater(5, "the connection ended before it began")
	}
}

// run lives until the viewer leaves, is lost, or the server stops.
func (s *session) run() {
	log := s.w.cfg.Log.With().Str("camera", s.name).Str("viewer", s.id[:8]).Logger()
	defer s.discard()
	timeout := time.NewTimer(connectTimeout)
	defer timeout.Stop()
	select {
	case <-s.connected:
	case <-timeout.C:
		log.Info().Dur("after", connectTimeout).Msg("viewer did not connect")
		return
	case <-s.ctx.Done():
		return
	}
	log.Debug().Msg("viewer connected")
	err := s.play()
	log.Debug().AnErr("reason", err).Uint64("lost_writes", s.rtp.failed).Msg("viewer left")
}

// play sends what the broadcaster gives until the session ends.
func (s *session) play() error {
	v, err := s.b.join(viewing{rendition: "annotated", codec: pipeline.H264})
	if err != nil {
		return err
	}
	var readers sync.WaitGroup
	readers.Add(1)
	go func() {
		defer readers.Done()
		s.readFeedback(v)
	}()
	defer readers.Wait() // after discard, which ends the reader
	defer s.discard()
	defer v.leave() // first, so that the encoder stops at once
	for {
		u, err := v.next(s.ctx)
		if err != nil {
			return err
		}
		s.rtp.write(u)
		v.sent(u)
	}
}

// readFeedback passes the receiver's wishes for a key picture on. It ends with the connection.
func (s *session) readFeedback(v *viewer) {
	buf := make([]byte, 1500)
	for {
		n, _, err := s.sender.Read(buf)
		if err != nil {
			s.cancel()
			return
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			continue // one damaged report says nothing about the next
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				v.askKey()
			}
		}
	}
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
