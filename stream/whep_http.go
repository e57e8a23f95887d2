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
)

const (
	endpointMethods = "POST, OPTIONS"
	sessionMethods  = "PATCH, DELETE, OPTIONS"
	offerType       = "application/sdp"
)

// ServeHTTP answers .../whep (path value "name") and .../whep/{id} (path values "name" and "id"). Slow bodies are the
// HTTP server's to bound.
func (w *WHEP) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	name, id := r.PathValue("name"), r.PathValue("id")
	b := w.cfg.Cameras(name)
	switch {
	case b == nil:
		refuse(rw, fail(http.StatusNotFound, "no camera %s", quote(clip(name)))) // the server has said which there are
	case id == "":
		w.serveEndpoint(rw, r, name, b)
	default:
		w.serveSession(rw, r, name, id)
	}
}

func (w *WHEP) serveEndpoint(rw http.ResponseWriter, r *http.Request, name string, b *Broadcaster) {
	switch r.Method {
	case http.MethodOptions:
		w.describe(rw.Header())
		rw.Header().Set("Allow", endpointMethods)
		rw.Header().Set("Accept-Post", offerType)
		rw.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		s, answer, err := w.post(r, name, b)
		if err != nil {
			refuse(rw, err)
			return
		}
		w.describe(rw.Header())
		rw.Header().Set("Content-Type", offerType)
		rw.Header().Set("Location", basePath(r)+strings.TrimSuffix(r.URL.Path, "/")+"/"+s.id)
		rw.Header().Set("ETag", s.entity())
		rw.Header().Set("Cache-Control", "no-store")
		rw.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(rw, answer) // a client that has gone does not connect, and times out
	default:
		rw.Header().Set("Allow", endpointMethods)
		refuse(rw, fail(http.StatusMethodNotAllowed, "%s is not allowed here: POST an SDP offer", clip(r.Method)))
	}
}

// describe says what a client needs to know beside the answer.
func (w *WHEP) describe(h http.Header) {
	h.Set("Accept-Patch", trickleType)
	for _, s := range w.cfg.ICEServers {
		for _, link := range s.links() {
			h.Add("Link", link)
		}
	}
}

func (w *WHEP) serveSession(rw http.ResponseWriter, r *http.Request, name, id string) {
	switch r.Method {
	case http.MethodOptions:
		rw.Header().Set("Allow", sessionMethods)
		rw.Header().Set("Accept-Patch", trickleType)
		rw.WriteHeader(http.StatusNoContent)
		return
	case http.MethodDelete, http.MethodPatch:
	default:
		rw.Header().Set("Allow", sessionMethods)
		refuse(rw, fail(http.StatusMethodNotAllowed, "%s is not allowed here: PATCH adds ICE candidates, DELETE ends the viewer", clip(r.Method)))
		return
	}
	s := w.session(name, id)
	switch {
	case s == nil:
		refuse(rw, fail(http.StatusNotFound, "no such viewer of camera %q; it may have left", name))
	case r.Method == http.MethodPatch:
		w.servePatch(rw, r, s)
	default:
		s.cancel()
		<-s.ended
		rw.WriteHeader(http.StatusOK)
	}
}

// post checks the request, cheapest test first, and starts a viewer.
func (w *WHEP) post(r *http.Request, name string, b *Broadcaster) (*session, string, error) {
	from := remoteOf(r)
	if err := w.doors.knock(from); err != nil {
		return nil, "", err
	}
	a, err := readQuery(r.URL.Query())
	if err != nil {
		return nil, "", err
	}
	text, err := readOffer(r)
	if err != nil {
		return nil, "", err
	}
	o, err := readSDP(text)
	if err != nil {
		return nil, "", err
	}
	f, err := o.choose(b.codecs(), b.relayProfile())
	if err != nil {
		return nil, "", err
	}
	leave, err := w.enter(from, name)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(r.Context(), frameTimeout)
	defer cancel()
	if err := b.awaitFrame(ctx); err != nil {
		leave.all()
		// The draft's status for a stream that is not live.
		return nil, "", &refusal{http.StatusConflict, 5, fmt.Sprintf("camera %q gives no picture now", name)}
	}
	s, answer, err := w.newSession(r.Context(), sessionConfig{name: name, b: b, asked: a, offer: o, format: f, text: text, leave: leave})
	if err != nil {
		leave.all()
		return nil, "", err
	}
	s.holdBy(heldBy(r))
	if err := w.begin(s); err != nil {
		s.discard()
		s.leave.all()
		return nil, "", err
	}
	return s, answer, nil
}

// holdBy ends the session with ctx, by which whoever watches was let in. It is called before the session runs.
func (s *session) holdBy(ctx context.Context) {
	stop, release := context.AfterFunc(ctx, s.cancel), s.leave.release
	s.leave.release = func() {
		stop()
		release()
	}
}

func readQuery(q url.Values) (asked, error) {
	a := asked{rendition: annotatedName}
	if q.Has("rendition") {
		a.rendition = q.Get("rendition")
	}
	if !slices.Contains(renditionNames, a.rendition) {
		return a, fail(http.StatusNotFound, "no rendition %s; the renditions are: %s", quote(a.rendition), strings.Join(renditionNames, ", "))
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
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != offerType {
		return "", fail(http.StatusUnsupportedMediaType, "send the SDP offer with Content-Type: "+offerType)
	}
	return readBody(r, maxOffer, "SDP offer")
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
