package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	Interfaces      []string                       // network interfaces to be reached on; empty means all
	UDPPort         int                            // one port for all viewers; 0 means an ephemeral port for each
	UDPPortMin      int                            // range of ports, if UDPPort is 0; both 0 means any
	UDPPortMax      int
	IncludeLoopback bool          // also be reached on 127.0.0.1 and ::1
	PublicIPs       []string      // addresses to give instead of the interfaces' own, behind 1:1 NAT
	MaxPlayoutDelay time.Duration // how long a receiver may hold pictures to make them even; 0: it shows them at once
	Log             zerolog.Logger
}

// WHEP lets browsers watch cameras: WebRTC-HTTP egress protocol (draft-ietf-wish-whep).
type WHEP struct {
	cfg      WHEPConfig
	settings webrtc.SettingEngine
	closer   func() error // of the shared UDP port
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
	settings, closer, err := newSettings(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &WHEP{
		cfg: cfg, settings: settings, closer: closer, ctx: ctx, cancel: cancel,
		sessions: map[string]*session{}, count: map[string]int{},
	}, nil
}

// Viewers is the number of viewers of a camera, those who are still connecting included.
func (w *WHEP) Viewers(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count[name]
}

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

// ServeHTTP answers .../whep (path value "name") and .../whep/{id} (path values "name" and "id"). Slow bodies are the
// HTTP server's to bound.
func (w *WHEP) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	name, id := r.PathValue("name"), r.PathValue("id")
	b := w.cfg.Cameras(name)
	switch {
	case b == nil:
		refuse(rw, fail(http.StatusNotFound, "no camera %q", clip(name)))
	case id == "":
		w.serveEndpoint(rw, r, name, b)
	default:
		w.serveSession(rw, r, name, id)
	}
}

func (w *WHEP) serveEndpoint(rw http.ResponseWriter, r *http.Request, name string, b *Broadcaster) {
	switch r.Method {
	case http.MethodOptions:
		rw.Header().Set("Allow", "POST, OPTIONS")
		rw.Header().Set("Accept-Post", "application/sdp")
		rw.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		id, answer, err := w.post(r, name, b)
		if err != nil {
			refuse(rw, err)
			return
		}
		rw.Header().Set("Content-Type", "application/sdp")
		rw.Header().Set("Location", strings.TrimSuffix(r.URL.Path, "/")+"/"+id)
		rw.Header().Set("Cache-Control", "no-store")
		rw.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(rw, answer) // a client that has gone does not connect, and times out
	default:
		rw.Header().Set("Allow", "POST, OPTIONS")
		refuse(rw, fail(http.StatusMethodNotAllowed, "%s is not allowed here: POST an SDP offer", clip(r.Method)))
	}
}

func (w *WHEP) serveSession(rw http.ResponseWriter, r *http.Request, name, id string) {
	switch r.Method {
	case http.MethodOptions:
		rw.Header().Set("Allow", "DELETE, OPTIONS")
		rw.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		w.mu.Lock()
		s := w.sessions[id]
		w.mu.Unlock()
		if s == nil || s.name != name {
			refuse(rw, fail(http.StatusNotFound, "no such viewer of camera %q; it may have left", name))
			return
		}
		s.cancel()
		<-s.ended
		rw.WriteHeader(http.StatusOK)
	default:
		// PATCH, for trickle ICE and restarts, is optional in WHEP: the answer holds all candidates.
		rw.Header().Set("Allow", "DELETE, OPTIONS")
		refuse(rw, fail(http.StatusMethodNotAllowed, "%s is not allowed here: DELETE ends the viewer", clip(r.Method)))
	}
}

// post checks the request, cheapest test first, and starts a viewer.
func (w *WHEP) post(r *http.Request, name string, b *Broadcaster) (id, answer string, err error) {
	a, err := readQuery(r.URL.Query())
	if err != nil {
		return "", "", err
	}
	text, err := readOffer(r)
	if err != nil {
		return "", "", err
	}
	o, err := readSDP(text)
	if err != nil {
		return "", "", err
	}
	if err := w.reserve(name); err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(r.Context(), frameTimeout)
	defer cancel()
	if err := b.awaitFrame(ctx); err != nil {
		w.release(name)
		return "", "", retryLater(5, "camera %q gives no picture now", name)
	}
	s, answer, err := w.newSession(r.Context(), name, b, a, o, text)
	if err != nil {
		w.release(name)
		return "", "", err
	}
	if err := w.begin(s); err != nil {
		s.discard()
		w.release(name)
		return "", "", err
	}
	return s.id, answer, nil
}

// renditions are what a viewer may ask for, the first if it asks for nothing.
var renditions = []string{"annotated", "clean", "small"}

func readQuery(q url.Values) (asked, error) {
	a := asked{rendition: renditions[0]}
	if q.Has("rendition") {
		a.rendition = q.Get("rendition")
	}
	if !slices.Contains(renditions, a.rendition) {
		return a, fail(http.StatusNotFound, "no rendition %s; the renditions are: %s", quote(a.rendition), strings.Join(renditions, ", "))
	}
	switch mode := q.Get("mode"); mode {
	case "", "low_latency":
	case "exact":
		a.exact = true
	default:
		return a, fail(http.StatusBadRequest, "no mode %s; the modes are: low_latency, exact", quote(mode))
	}
	return a, nil
}

func readOffer(r *http.Request) (string, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/sdp" {
		return "", fail(http.StatusUnsupportedMediaType, "send the SDP offer with Content-Type: application/sdp")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxOffer))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return "", fail(http.StatusRequestEntityTooLarge, "SDP offer is larger than %d bytes", maxOffer)
	}
	if err != nil {
		return "", fail(http.StatusBadRequest, "the SDP offer did not arrive whole")
	}
	return string(body), nil
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
	w.release(s.name)
	close(s.ended)
}

// refusal is an error with the HTTP status that tells it.
type refusal struct {
	status     int
	retryAfter int // seconds; 0 says nothing
	message    string
}

func (e *refusal) Error() string { return e.message }

func fail(status int, format string, args ...any) error {
	return &refusal{status: status, message: fmt.Sprintf(format, args...)}
}

func retryLater(seconds int, format string, args ...any) error {
	return &refusal{status: http.StatusServiceUnavailable, retryAfter: seconds, message: fmt.Sprintf(format, args...)}
}

// refuse answers with the error as every other part of the API does.
func refuse(rw http.ResponseWriter, err error) {
	e := &refusal{status: http.StatusInternalServerError, message: err.Error()}
	errors.As(err, &e)
	body, _ := json.Marshal(map[string]string{"error": e.message}) // a map of strings has no error
	if e.retryAfter > 0 {
		rw.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(e.status)
	_, _ = rw.Write(append(body, '\n')) // the client may have gone
}

// clip shortens what came from outside for a message.
func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "..."
	}
	return s
}
