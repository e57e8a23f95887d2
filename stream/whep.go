package stream

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/rs/zerolog"
)

const (
	// maxOffer is the bytes of an SDP offer; browsers send about 6 kB.
	maxOffer = 64 << 10
	// frameTimeout is how long a camera may take to give a frame before its viewers are turned away.
	frameTimeout = 2 * time.Second
	// connectTimeout is how long ICE and DTLS may take after the answer.
	connectTimeout = 15 * time.Second
	// gatherTimeout is how long our own candidates may take; they are local addresses, so it is milliseconds.
	gatherTimeout = 5 * time.Second

	defaultMaxPerCamera = 16
	defaultMaxViewers   = 64
)

// WHEPConfig is what a WHEP endpoint is made from.
type WHEPConfig struct {
	Cameras         func(name string) *Broadcaster // nil for a name that no camera has; safe from any goroutine
	MaxPerCamera    int                            // viewers of one camera; 0 means 16
	MaxViewers      int                            // viewers of all cameras; 0 means 64
	Port            int                            // UDP, and TCP if TCP is set, for all viewers; 0: any free one
	TCP             bool                           // also be reached by TCP (RFC 6544), where UDP is blocked
	Interfaces      []string                       // network interfaces to be reached on, names or patterns; empty: all but inner ones
	IncludeLoopback bool                           // also be reached on 127.0.0.1
	PublicIPs       []string                       // further addresses that lead here, behind 1:1 NAT
	ICEServers      []ICEServer                    // for viewers
	MaxPlayoutDelay time.Duration                  // how long a receiver may hold pictures to make them even; 0: it shows them at once
	Log             zerolog.Logger
}

// WHEP lets browsers watch cameras: WebRTC-HTTP egress protocol (draft-ietf-wish-whep).
type WHEP struct {
	cfg      WHEPConfig
	settings webrtc.SettingEngine
	port     int
	closer   func() error // of the port
	doors    *doors
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup // sessions

	mu       sync.Mutex // guards what follows
	closed   bool
	sessions map[string]*session
	count    map[string]int // viewers by camera, those who are still connecting included
	total    int
}

// NewWHEP checks the configuration and makes an endpoint; with UDPPort it opens that port. The caller closes it.
func NewWHEP(cfg WHEPConfig) (*WHEP, error) {
	if cfg.Cameras == nil {
		return nil, errors.New("whep: no cameras given")
	}
	if cfg.MaxPerCamera <= 0 {
		cfg.MaxPerCamera = defaultMaxPerCamera
	}
	if cfg.MaxViewers <= 0 {
		cfg.MaxViewers = defaultMaxViewers
	}
	settings, port, closer, err := newSettings(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &WHEP{
		cfg: cfg, settings: settings, port: port, closer: closer, doors: newDoors(cfg.MaxViewers, cfg.MaxPerCamera), ctx: ctx, cancel: cancel,
		sessions: map[string]*session{}, count: map[string]int{},
	}, nil
}

// Viewers is the number of viewers of a camera, those who are still connecting included.
func (w *WHEP) Viewers(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count[name]
}

// Port is the one that live pictures go over.
func (w *WHEP) Port() int { return w.port }

// ICEServers are what the page's viewers may use.
func (w *WHEP) ICEServers() []ICEServer { return w.cfg.ICEServers }

// Close ends all viewers and waits for them. It may be called twice.
func (w *WHEP) Close() error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.wg.Wait()
	if !first {
		return nil
	}
	return w.closer()
}

// reserve takes one of the camera's places.
func (w *WHEP) reserve(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return retryLater(5, "the server is stopping")
	case w.total >= w.cfg.MaxViewers:
		return retryLater(10, "all %d places for viewers are taken", w.cfg.MaxViewers)
	case w.count[name] >= w.cfg.MaxPerCamera:
		return retryLater(10, "all %d places for viewers of camera %q are taken", w.cfg.MaxPerCamera, name)
	}
	w.total++
	w.count[name]++
	return nil
}

func (w *WHEP) release(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total--
	if w.count[name]--; w.count[name] == 0 {
		delete(w.count, name)
	}
}

// places is what a session holds until it ends.
type places struct {
	connected func() // it is no longer half a session
	release   func() // its place as a viewer
}

func (p places) all() {
	p.connected()
	p.release()
}

// enter takes a viewer's place for a session that does not connect yet.
func (w *WHEP) enter(from netip.Prefix, name string) (places, error) {
	if err := w.reserve(name); err != nil {
		return places{}, err
	}
	if err := w.doors.enter(from, name); err != nil {
		w.release(name)
		return places{}, err
	}
	var once sync.Once
	return places{
		connected: func() { once.Do(func() { w.doors.leave(from, name) }) },
		release:   func() { w.release(name) },
	}, nil
}

// session finds a camera's session.
func (w *WHEP) session(name, id string) *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sessions[id]; s != nil && s.name == name {
		return s
	}
	return nil
}

// begin makes the session known and starts it.
func (w *WHEP) begin(s *session) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return retryLater(5, "the server is stopping")
	}
	w.sessions[s.id] = s
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		s.run()
		w.end(s)
	}()
	return nil
}

// end forgets a session that has run.
func (w *WHEP) end(s *session) {
	w.mu.Lock()
	delete(w.sessions, s.id)
	w.mu.Unlock()
	s.leave.all()
	close(s.ended)
}
