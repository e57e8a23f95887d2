package stream

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"github.com/pion/ice/v2"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"
)

const (
	trickleType = "application/trickle-ice-sdpfrag"
	// maxFragment is the bytes of a trickle fragment; a candidate is about 150.
	maxFragment = 16 << 10
)

// fragment is what a PATCH says (RFC 8840): candidates, and whose they are.
type fragment struct {
	ufrag, pwd string
	candidates []string // without "a="
	end        bool
}

// readFragment takes a fragment apart. What it does not know it leaves out, as in every session description.
func readFragment(text string) (fragment, error) {
	var f fragment
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.ContainsAny(line, "\r\x00") {
			return f, fail(http.StatusBadRequest, "the fragment has a line break that is none")
		}
		key, value, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case !strings.HasPrefix(line, "a="):
		case key == "ice-ufrag":
			f.ufrag = value
		case key == "ice-pwd":
			f.pwd = value
		case key == "end-of-candidates":
			f.end = true
		case key == "candidate":
			if _, err := ice.UnmarshalCandidate(value); err != nil && !isLocalName(value) {
				return f, fail(http.StatusBadRequest, "candidate %s cannot be understood", quote(value))
			}
			f.candidates = append(f.candidates, line[len("a="):])
		}
	}
	if f.ufrag == "" && f.pwd == "" && len(f.candidates) == 0 && !f.end {
		return f, fail(http.StatusBadRequest, "the body is no ICE fragment: it has neither candidates nor ice-ufrag and ice-pwd")
	}
	if f.ufrag == "" && f.pwd == "" || iceUfrag.MatchString(f.ufrag) && icePwd.MatchString(f.pwd) {
		return f, nil
	}
	return f, fail(http.StatusBadRequest, "the fragment needs an ice-ufrag of 4 and an ice-pwd of 22 to 256 letters, digits, + and /, or neither")
}

// The forms of RFC 8839, 5.4.
var (
	iceUfrag = regexp.MustCompile(`^[A-Za-z0-9+/]{4,256}$`)
	icePwd   = regexp.MustCompile(`^[A-Za-z0-9+/]{22,256}$`)
)

// isLocalName says whether a candidate is a .local name, which pion's parser refuses in some forms. It is of no use to
// us, and no fault of the browser's.
func isLocalName(candidate string) bool {
	fields := strings.Fields(candidate)
	return len(fields) > 4 && strings.HasSuffix(fields[4], ".local")
}

func (w *WHEP) servePatch(rw http.ResponseWriter, r *http.Request, s *session) {
	f, err := readPatch(r)
	if err != nil {
		refuse(rw, err)
		return
	}
	match := r.Header.Get("If-Match")
	if match == "" {
		refuse(rw, fail(http.StatusPreconditionRequired, "give the viewer's ETag as If-Match, or * to restart ICE"))
		return
	}
	answer, err := s.patch(r, f, match)
	if err != nil {
		refuse(rw, err)
		return
	}
	if answer == "" {
		rw.WriteHeader(http.StatusNoContent)
		return
	}
	rw.Header().Set("ETag", s.entity())
	rw.Header().Set("Content-Type", trickleType)
	rw.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(rw, answer) // a client that has gone asks again
}

func readPatch(r *http.Request) (fragment, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != trickleType {
		return fragment{}, fail(http.StatusUnsupportedMediaType, "send the ICE fragment with Content-Type: "+trickleType)
	}
	body, err := readBody(r, maxFragment, "ICE fragment")
	if err != nil {
		return fragment{}, err
	}
	return readFragment(body)
}

// readBody reads a body of at most so many bytes; what names it in errors.
func readBody(r *http.Request, most int64, what string) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, most))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return "", fail(http.StatusRequestEntityTooLarge, "%s is larger than %d bytes", what, most)
	}
	if err != nil {
		return "", fail(http.StatusBadRequest, "the %s did not arrive whole", what)
	}
	return string(body), nil
}

// patch adds candidates, or begins ICE anew if the fragment has other credentials; then it returns ours.
func (s *session) patch(r *http.Request, f fragment, match string) (answer string, err error) {
	s.patching.Lock()
	defer s.patching.Unlock()
	if match != "*" && match != s.entity() {
		return "", fail(http.StatusPreconditionFailed, "the ETag in If-Match is not the viewer's newest")
	}
	if s.offer.candidates+len(f.candidates) > maxCandidates {
		return "", fail(http.StatusBadRequest, "more than %d candidates of one viewer", maxCandidates)
	}
	s.offer.candidates += len(f.candidates)
	if f.ufrag == "" || f.ufrag == s.offer.ufrag && f.pwd == s.offer.pwd {
		return "", s.trickle(f)
	}
	return s.restart(r, f)
}

func (s *session) trickle(f fragment) error {
	for _, c := range f.candidates {
		if isLocalName(c) {
			continue
		}
		first := uint16(0)
		if err := s.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: c, SDPMLineIndex: &first}); err != nil {
			if s.ctx.Err() != nil {
				return fail(http.StatusNotFound, "the viewer has left")
			}
			return fail(http.StatusBadRequest, "candidate %s cannot be used: %s", quote(c), oneLine(err))
		}
	}
	return nil
}

// restart begins ICE anew, for a viewer whose network changed: pion does so if the same offer comes again with other
// credentials. The encryption, and so the picture, goes on.
func (s *session) restart(r *http.Request, f fragment) (string, error) {
	text, err := reoffer(s.text, f)
	if err != nil {
		return "", err
	}
	if s.ctx.Err() != nil {
		return "", fail(http.StatusNotFound, "the viewer has left")
	}
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		return "", fail(http.StatusBadRequest, "ICE cannot be restarted: %s", oneLine(err))
	}
	s.offer.ufrag, s.offer.pwd, s.offer.candidates = f.ufrag, f.pwd, len(f.candidates)
	answer, err := s.gather(r.Context())
	if err != nil {
		return "", err
	}
	if err := s.renew(); err != nil {
		return "", err
	}
	return fragmentOf(answer)
}

// reoffer is an offer with other ICE credentials and candidates.
func reoffer(offer string, f fragment) (string, error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal([]byte(offer)); err != nil {
		return "", fmt.Errorf("the viewer's offer: %w", err) // it was read before
	}
	d.Origin.SessionVersion++
	d.Attributes = withICE(d.Attributes, f, false)
	for _, m := range d.MediaDescriptions {
		m.Attributes = withICE(m.Attributes, f, m.MediaName.Media == "video")
	}
	out, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("make an offer anew: %w", err)
	}
	return string(out), nil
}

// withICE replaces the credentials where there are any and takes the candidates out, or puts the fragment's in.
func withICE(attributes []sdp.Attribute, f fragment, candidates bool) []sdp.Attribute {
	var out []sdp.Attribute
	for _, a := range attributes {
		switch a.Key {
		case "ice-ufrag":
			a.Value = f.ufrag
		case "ice-pwd":
			a.Value = f.pwd
		case "candidate", "end-of-candidates":
			continue
		}
		out = append(out, a)
	}
	if !candidates {
		return out
	}
	for _, c := range f.candidates {
		if !isLocalName(c) {
			out = append(out, sdp.NewAttribute("candidate", strings.TrimPrefix(c, "candidate:")))
		}
	}
	return out
}

// fragmentOf is what an answer says of ICE, as a fragment.
func fragmentOf(answer string) (string, error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal([]byte(answer)); err != nil {
		return "", fmt.Errorf("read our own answer: %w", err)
	}
	var b strings.Builder
	for _, m := range d.MediaDescriptions {
		ufrag, ok := m.Attribute("ice-ufrag")
		if m.MediaName.Media != "video" || !ok {
			continue
		}
		pwd, _ := m.Attribute("ice-pwd")
		mid, _ := m.Attribute("mid")
		fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=%s\r\na=mid:%s\r\n", ufrag, pwd, m.MediaName.String(), mid)
		for _, a := range m.Attributes {
			if a.IsICECandidate() {
				fmt.Fprintf(&b, "a=candidate:%s\r\n", a.Value)
			}
		}
		b.WriteString("a=end-of-candidates\r\n")
	}
	return b.String(), nil
}

// renew gives the session a new ETag: it stands for one pair of ICE credentials.
func (s *session) renew() error {
	tag := make([]byte, 8)
	if _, err := rand.Read(tag); err != nil {
		return fmt.Errorf("make an ETag: %w", err)
	}
	e := `"` + hex.EncodeToString(tag) + `"`
	s.etag.Store(&e)
	return nil
}

// entity is the session's ETag.
func (s *session) entity() string { return *s.etag.Load() }
