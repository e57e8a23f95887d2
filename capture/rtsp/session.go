package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

const (
	answerIn = 30 * time.Second // a silent connection is given up at last; the watchdog over the source is faster
	sendIn   = 5 * time.Second
	// misfits is how long packets may come that do not belong to the stream, and none that do.
	misfits = 2 * time.Second
)

// session is one RTSP session with a camera.
type session struct {
	cfg    Config
	opt    live.Options
	udp    bool
	client *gortsplib.Client
	stream *live.Stream
	dials  dialer
	start  time.Time

	offer    offer          // set by the client's goroutine while Describe waits for it
	offerErr error          // likewise
	redirect string         // likewise
	done     chan struct{}  // closed when the client has ended
	ended    error          // why; read after done
	first    chan struct{}  // closed when the first packet comes
	sawFirst sync.Once      //
	playing  atomic.Bool    // units are wanted
	lost     atomic.Uint64  // units of which something was lost
	waiting  sync.WaitGroup // the goroutine that waits for the client

	mu    sync.Mutex
	clock *clock // guarded by mu: over UDP, reports come on a goroutine of their own

	// All that follows belongs to the goroutine of RTP packets, of which there is one: a track has one socket.
	tracks map[uint8]*depacketizer // by payload type
	forms  map[uint8]form
	codec  pipeline.Codec // of the units that come
	strays atomic.Int64   // nanoseconds from start to the first packet that does not fit, with none since that does; 0: none
}

// connect is how cameras are connected to. Tests replace it.
var connect = (&net.Dialer{}).DialContext

// newSession makes a client that has not connected. The caller closes the session.
func newSession(ctx context.Context, cfg Config, opt live.Options, udp bool) (*session, error) {
	s := &session{cfg: cfg, opt: opt, udp: udp, start: time.Now(), done: make(chan struct{}), first: make(chan struct{})}
	s.dials.opening, s.dials.connect = ctx, connect
	transport := gortsplib.TransportTCP
	if udp {
		transport = gortsplib.TransportUDP
	}
	u, err := cfg.url()
	if err != nil {
		return nil, err
	}
	s.client = &gortsplib.Client{
		Scheme: u.Scheme, Host: u.Host, Transport: &transport,
		ReadTimeout: answerIn, WriteTimeout: sendIn, InitialUDPReadTimeout: answerIn, UserAgent: "yfv2d",
		TLSConfig: cfg.tls(), DialContext: s.dials.dial,
		OnResponse: s.response, OnServerRequest: s.request,
		OnTransportSwitch: func(error) {}, OnPacketsLost: func(uint64) {}, OnDecodeError: s.stray,
	}
	if err := s.client.Start2(); err != nil {
		return nil, err
	}
	s.waiting.Add(1)
	go s.wait()
	return s, nil
}

// wait ends the stream when the client ends.
func (s *session) wait() {
	defer s.waiting.Done()
	s.ended = s.client.Wait()
	close(s.done)
	if s.playing.Load() {
		s.fail(s.ended)
	}
}

// fail ends the stream with an error for people.
func (s *session) fail(err error) { s.stream.Fail(s.cfg.explain(err)) }

// open goes through DESCRIBE, SETUP and PLAY. ctx cuts it short.
func (s *session) open(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.dials.cut)
	defer stop()
	u, err := s.cfg.url()
	if err != nil {
		return err
	}
	if s.cfg.login {
		u.User = url.UserPassword(s.cfg.user, s.cfg.pass)
	}
	desc, _, err := s.client.Describe((*base.URL)(u))
	switch {
	case s.redirect != "":
		return &redirect{s.redirect}
	case s.offerErr != nil:
		return s.offerErr
	case err != nil:
		return err
	case len(desc.Medias) != 1 || len(s.offer.forms) == 0:
		return errors.New("the camera's announcement cannot be read")
	}
	if err := s.play(desc); err != nil {
		if s.udp {
			return &udpError{err}
		}
		return err
	}
	return nil
}

// play sets up the track and starts it.
func (s *session) play(desc *description.Session) error {
	media := desc.Medias[0]
	if _, err := s.client.Setup(desc.BaseURL, media, 0, 0); err != nil {
		return err
	}
	if err := s.prepare(media); err != nil {
		return err
	}
	s.playing.Store(true)
	_, err := s.client.Play(nil)
	return err
}

// prepare makes the stream and leads packets into it.
func (s *session) prepare(media *description.Media) error {
	s.forms, s.tracks = s.offer.forms, map[uint8]*depacketizer{}
	for i, f := range media.Formats {
		form, ok := s.forms[f.PayloadType()]
		if !ok {
			return errors.New("the camera's announcement cannot be read")
		}
		if i == 0 {
			s.codec, s.clock = form.codec, newClock(form.hz)
		}
		s.tracks[f.PayloadType()] = newDepacketizer(form, live.DefaultMaxBytes, s.unit)
		s.client.OnPacketRTP(media, f, s.packet)
	}
	s.client.OnPacketRTCP(media, s.control)
	stream, err := live.NewStream(live.StreamConfig{Options: s.opt, Codec: s.codec})
	s.stream = stream
	return err
}

// packet takes an RTP packet of the track.
func (s *session) packet(pkt *rtp.Packet) {
	now := time.Now()
	s.arrived()
	if f := s.forms[pkt.PayloadType]; f.codec != s.codec {
		if err := s.stream.SetCodec(f.codec); err != nil {
			s.fail(err)
			return
		}
		s.codec = f.codec
		s.mu.Lock()
		s.clock = newClock(f.hz)
		s.mu.Unlock()
	}
	s.strays.Store(0)
	s.tracks[pkt.PayloadType].packet(pkt, now)
}

func (s *session) arrived() { s.sawFirst.Do(func() { close(s.first) }) }

// unit takes what the depacketizer put together, or is told by empty data that it could not.
func (s *session) unit(data []byte, ts uint32, came time.Time) {
	if len(data) == 0 {
		s.lost.Add(1)
		s.stream.Touch()
		s.stream.Lost()
		return
	}
	s.mu.Lock()
	at := s.clock.at(ts, came)
	s.mu.Unlock()
	s.stream.Push(&pipeline.AccessUnit{At: at, Data: data})
}

// control takes an RTCP packet.
func (s *session) control(pkt rtcp.Packet) {
	s.arrived()
	switch p := pkt.(type) {
	case *rtcp.SenderReport:
		s.mu.Lock()
		s.clock.report(p.NTPTime, p.RTPTime, time.Now())
		s.mu.Unlock()
	case *rtcp.Goodbye:
		s.fail(errors.New("the camera ended the stream (RTCP BYE)"))
	}
}

// stray is told of packets that belong to no track or cannot be read. A few are nothing; if no others come, the camera
// has changed its mind without saying so.
func (s *session) stray(err error) {
	now := max(1, int64(time.Since(s.start)))
	if since := s.strays.Load(); since == 0 {
		s.strays.CompareAndSwap(0, now)
	} else if time.Duration(now-since) > misfits && s.playing.Load() {
		s.fail(&strange{err})
	}
}

// request is told of the camera's own requests before the library refuses all but OPTIONS. Some cameras ask for a sign
// of life by other methods: they get the same answer.
func (s *session) request(req *base.Request) {
	switch req.Method {
	case base.GetParameter, base.SetParameter:
		req.Method = base.Options
	}
}

// close says goodbye and waits until all goroutines have ended.
func (s *session) close() {
	cut := time.AfterFunc(closeGrace, s.dials.cut)
	defer cut.Stop()
	s.client.Close()
	s.waiting.Wait()
	if s.stream != nil {
		_ = s.stream.Close()
	}
}

// dialer connects, and can cut all that it connected: the library waits for a TLS peer without limit.
type dialer struct {
	opening context.Context
	connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
	over  bool       // guarded by mu
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.opening, cancel)()
	c, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	d.conns = append(d.conns, c)
	return c, nil
}

func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	for _, c := range d.conns {
		_ = c.Close()
	}
}

// tls is how an rtsps:// server proves who it is.
func (c Config) tls() *tls.Config {
	t := live.TLSConfig(c.TLSInsecure, c.Fingerprint)
	if t.InsecureSkipVerify {
		t.MinVersion = tls.VersionTLS10 // what old cameras speak
	}
	return t
}
