// Package viewer is a WHEP client that reads a camera's live picture and counts what it gets; measurements watch with it.
package viewer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"
)

// Counts are what a viewer got so far.
type Counts struct {
	Packets, Bytes uint64 // of RTP, bytes without headers
	Frames         uint64 // whose last packet came
	Lost           uint64 // packets missing from the numbering, less those that came late
}

// Viewer is one connection. A nil one got nothing.
type Viewer struct {
	pc       *webrtc.PeerConnection
	client   *http.Client
	session  string // URL of the WHEP session
	ice      chan struct{}
	iceOnce  sync.Once
	began    chan struct{} // closed by the first whole frame
	sayBegan sync.Once

	mu     sync.Mutex // guards what follows
	counts Counts
	last   time.Time     // when the newest frame was whole
	gap    time.Duration // the longest between frames since LongestGap was asked
}

// New makes a client that is connected to nothing. The caller closes it.
func New() (*Viewer, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{} // feedback as a browser gives it, for the sender's estimate
	if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
		return nil, err
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	v := &Viewer{pc: pc, client: http.DefaultClient, ice: make(chan struct{}), began: make(chan struct{})}
	pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		if s == webrtc.ICEConnectionStateConnected {
			v.iceOnce.Do(func() { close(v.ice) })
		}
	})
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { v.read(t) })
	return v, nil
}

// Watch connects to a WHEP endpoint and waits for the first frame.
func Watch(ctx context.Context, endpoint string) (*Viewer, error) {
	return WatchBy(ctx, http.DefaultClient, endpoint)
}

// WatchBy is Watch with a client of one's own, such as one that trusts a certificate.
func WatchBy(ctx context.Context, client *http.Client, endpoint string) (*Viewer, error) {
	v, err := New()
	if err != nil {
		return nil, err
	}
	v.client = client
	if err := v.Offer(ctx, endpoint); err != nil {
		v.Close()
		return nil, fmt.Errorf("watch %s: %w", endpoint, err)
	}
	if err := v.Began(ctx); err != nil {
		v.Close()
		return nil, fmt.Errorf("watch %s: wait for a frame: %w", endpoint, err)
	}
	return v, nil
}

// Offer exchanges offer and answer; the connection comes up by itself after that. It is called once.
func (v *Viewer) Offer(ctx context.Context, endpoint string) error {
	offer, err := v.offer(ctx)
	if err != nil {
		return err
	}
	answer, err := v.post(ctx, endpoint, offer)
	if err != nil {
		return err
	}
	return v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

// offer makes an offer with all candidates.
func (v *Viewer) offer(ctx context.Context) (string, error) {
	recv := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := v.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, recv); err != nil {
		return "", err
	}
	offer, err := v.pc.CreateOffer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(offer); err != nil {
		return "", err
	}
	if err := await(ctx, gathered); err != nil {
		return "", err
	}
	return v.pc.LocalDescription().SDP, nil
}

// SampleOffer is the offer of a viewer that will never connect.
func SampleOffer() (string, error) {
	v, err := New()
	if err != nil {
		return "", err
	}
	defer v.Close()
	return v.offer(context.Background())
}

func (v *Viewer) post(ctx context.Context, endpoint, offer string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(offer))
	if err != nil {
		return "", err
	}
	req.Close = true // a connection kept would be one of the daemon's descriptors
	req.Header.Set("Content-Type", "application/sdp")
	resp, err := v.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusCreated {
		return "", &Refused{Status: resp.StatusCode, Text: strings.TrimSpace(string(answer))}
	}
	at, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	v.session = resp.Request.URL.ResolveReference(at).String()
	return string(answer), nil
}

// Refused is the daemon's no.
type Refused struct {
	Status int
	Text   string
}

func (r *Refused) Error() string { return fmt.Sprintf("refused with %d: %s", r.Status, r.Text) }

// read counts packets until the connection ends.
func (v *Viewer) read(t *webrtc.TrackRemote) {
	var next uint16
	for first := true; ; first = false {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.counts.Packets++
		v.counts.Bytes += uint64(len(p.Payload))
		switch ahead := p.SequenceNumber - next; {
		case first || ahead < 1<<15:
			if !first {
				v.counts.Lost += uint64(ahead)
			}
			next = p.SequenceNumber + 1
		case v.counts.Lost > 0:
			v.counts.Lost-- // sent again
		}
		if p.Marker { // RFC 6184 5.1, RFC 7741 4.1: the last of its frame
			v.frame(time.Now())
		}
		v.mu.Unlock()
	}
}

// frame notes a frame. mu is held.
func (v *Viewer) frame(now time.Time) {
	v.counts.Frames++
	if !v.last.IsZero() {
		v.gap = max(v.gap, now.Sub(v.last))
	}
	v.last = now
	v.sayBegan.Do(func() { close(v.began) })
}

// Counts reads what came so far.
func (v *Viewer) Counts() Counts {
	if v == nil {
		return Counts{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts
}

// LongestGap is the longest time between two frames since the last call; one that lasts still counts.
func (v *Viewer) LongestGap() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	gap := v.gap
	if !v.last.IsZero() {
		gap = max(gap, time.Since(v.last))
	}
	v.gap = 0
	return gap
}

// Began waits for the first whole frame.
func (v *Viewer) Began(ctx context.Context) error { return await(ctx, v.began) }

// Reached waits until the two sides have found a way to each other; encryption comes after that.
func (v *Viewer) Reached(ctx context.Context) error { return await(ctx, v.ice) }

func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave says good-bye as WHEP wants it, and closes.
func (v *Viewer) Leave(ctx context.Context) error {
	defer v.Close()
	if v.session == "" {
		return errors.New("there is no session to leave")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, v.session, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := v.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Close ends the connection. It may be called twice.
func (v *Viewer) Close() { _ = v.pc.Close() }
