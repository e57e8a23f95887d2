package rtsp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// Cameras announce what they have in SDP (RFC 8866), many of them with faults in parts that are of no use here. So the
// announcement is read leniently, and the library is handed one of our own that holds the chosen video track and nothing
// that it might stumble over.

// Bounds of an announcement.
const (
	maxMedias   = 64
	maxSetBytes = 64 << 10 // of all parameter sets together
)

// media is one section of an announcement.
type media struct {
	kind, proto string
	types       []uint8           // payload types
	codecs      map[uint8]codec   // from rtpmap
	params      map[uint8]string  // from fmtp
	attrs       map[string]string // the first of each other one
}

// codec is an rtpmap: its name in capitals, and its clock.
type codec struct {
	name string
	hz   int
}

// staticTypes are the payload types that need no rtpmap (RFC 3551, section 6).
var staticTypes = map[uint8]codec{
	0: {"PCMU", 8000}, 3: {"GSM", 8000}, 4: {"G723", 8000}, 8: {"PCMA", 8000}, 9: {"G722", 8000}, 10: {"L16", 44100}, 11: {"L16", 44100},
	14: {"MPA", 90000}, 18: {"G729", 8000}, 26: {"JPEG", 90000}, 31: {"H261", 90000}, 32: {"MPV", 90000}, 33: {"MP2T", 90000}, 34: {"H263", 90000},
}

// form is a supported format of the chosen track.
type form struct {
	codec pipeline.Codec
	hz    int
	sets  [][]byte // parameter sets, as NAL units
	size  [2]int   // of pictures, if the announcement says so; in RTP, a JPEG wider than 2040 cannot
}

// offer is what is taken of an announcement.
type offer struct {
	forms map[uint8]form // by payload type
	sdp   []byte         // for the library
}

// readOffer chooses the first video track of a supported codec. If there is none, the error says what there is.
func readOffer(body []byte) (offer, error) {
	session, medias := readSDP(body)
	for _, m := range medias {
		if m.kind != "video" {
			continue
		}
		forms := map[uint8]form{}
		for _, t := range m.types {
			if f, ok := m.form(t); ok {
				forms[t] = f
			}
		}
		if len(forms) > 0 {
			sdp, err := writeSDP(session, m, forms)
			return offer{forms, sdp}, err
		}
	}
	return offer{}, &live.Refused{Err: fmt.Errorf("%s; supported are H.264, H.265, MJPEG", inventory(medias))}
}

// readSDP cuts an announcement into its sections.
func readSDP(body []byte) (session map[string]string, medias []media) {
	session = map[string]string{}
	for _, line := range strings.FieldsFunc(string(body), func(r rune) bool { return r == '\r' || r == '\n' }) {
		kind, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case kind == "m" && len(medias) < maxMedias:
			medias = append(medias, newMedia(value))
		case kind == "a" && len(medias) == 0:
			key, v, _ := strings.Cut(value, ":")
			addAttr(session, key, v)
		case kind == "a":
			key, v, _ := strings.Cut(value, ":")
			medias[len(medias)-1].add(key, v)
		}
	}
	return session, medias
}

func addAttr(attrs map[string]string, key, value string) {
	if _, ok := attrs[key]; !ok {
		attrs[key] = strings.TrimSpace(value)
	}
}

// newMedia reads what follows m=, such as "video 0 RTP/AVP 96 97".
func newMedia(line string) media {
	m := media{codecs: map[uint8]codec{}, params: map[uint8]string{}, attrs: map[string]string{}}
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return m
	}
	m.kind, m.proto = strings.ToLower(fields[0]), fields[2]
	for _, s := range fields[3:] {
		if t, err := strconv.ParseUint(s, 10, 7); err == nil && !slices.Contains(m.types, uint8(t)) {
			m.types = append(m.types, uint8(t))
		}
	}
	return m
}

func (m *media) add(key, value string) {
	number, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	t, err := strconv.ParseUint(number, 10, 7)
	switch {
	case key == "rtpmap" && err == nil:
		parts := strings.Split(strings.TrimSpace(rest), "/")
		c := codec{strings.ToUpper(strings.TrimSpace(parts[0])), 90000}
		if len(parts) > 1 {
			if hz, err := strconv.ParseUint(strings.TrimSpace(parts[1]), 10, 31); err == nil && hz > 0 {
				c.hz = int(hz)
			}
		}
		m.codecs[uint8(t)] = c
	case key == "fmtp" && err == nil:
		m.params[uint8(t)] = rest
	default:
		addAttr(m.attrs, key, value)
	}
}

// codec is what a payload type stands for.
func (m *media) codec(t uint8) (codec, bool) {
	if c, ok := m.codecs[t]; ok {
		return c, true
	}
	c, ok := staticTypes[t]
	return c, ok
}

// form is a payload type's format, false if it is not supported.
func (m *media) form(t uint8) (form, bool) {
	c, ok := m.codec(t)
	if !ok {
		return form{}, false
	}
	f := form{hz: c.hz}
	params := fmtpParams(m.params[t])
	switch c.name {
	case "H264":
		f.codec = pipeline.H264
		f.sets = decodeSets(f.codec, params["sprop-parameter-sets"])
		ok = params["packetization-mode"] != "2" // interleaved: nobody uses it
	case "H265", "HEVC":
		f.codec = pipeline.H265
		f.sets = decodeSets(f.codec, params["sprop-vps"], params["sprop-sps"], params["sprop-pps"])
		depth := params["sprop-max-don-diff"]
		ok = depth == "" || depth == "0"
	case "JPEG", "MJPEG":
		f.codec = pipeline.JPEG
		f.size = m.size(t)
	default:
		ok = false
	}
	return f, ok
}

// size is the size of pictures by a=x-dimensions:W,H or a=framesize:T W-H; zero if neither says.
func (m *media) size(t uint8) (size [2]int) {
	text := m.attrs["x-dimensions"]
	if of, rest, ok := strings.Cut(m.attrs["framesize"], " "); ok && of == strconv.Itoa(int(t)) {
		text = rest
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) != 2 {
		return size
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return [2]int{}
		}
		size[i] = int(n)
	}
	return size
}

// fmtpParams reads name=value pairs; values may hold further =.
func fmtpParams(s string) map[string]string {
	params := map[string]string{}
	for _, p := range strings.Split(s, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		params[strings.ToLower(strings.TrimSpace(key))] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	return params
}

// decodeSets reads parameter sets in base64, several joined by commas. What cannot be read is left out: the stream
// itself may hold it.
func decodeSets(c pipeline.Codec, lists ...string) (sets [][]byte) {
	total := 0
	for _, list := range lists {
		for _, s := range strings.Split(list, ",") {
			raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
			if err != nil {
				raw, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(s), "="))
			}
			if err != nil {
				continue
			}
			for _, nal := range splitNALs(append([]byte{0, 0, 1}, raw...)) { // some cameras put start codes in it
				if total += len(nal); setKind(c, nal) != notSet && total <= maxSetBytes {
					sets = append(sets, bytes.Clone(nal))
				}
			}
		}
	}
	return sets
}

// inventory says what a stream has, for somebody whose stream has nothing that is supported.
func inventory(medias []media) string {
	var parts []string
	video := false
	for _, m := range medias {
		if m.kind == "" || m.kind == "application" || m.kind == "text" {
			continue
		}
		video = video || m.kind == "video"
		var names []string
		for _, t := range m.types {
			names = append(names, m.called(t))
		}
		if part := clean(m.kind + " " + strings.Join(names, ", ")); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	has := strings.Join(parts[:min(len(parts), 8)], " and ")
	switch {
	case has == "":
		return "the stream has no video"
	case !video:
		return "the stream has no video, only " + has
	}
	return "the stream has " + has
}

// called is a payload type's codec by its usual name.
func (m *media) called(t uint8) string {
	c, ok := m.codec(t)
	if !ok {
		return fmt.Sprintf("of unknown type %d", t)
	}
	switch c.name {
	case "MPEG4-GENERIC", "MP4A-LATM":
		return "AAC"
	case "MP4V-ES":
		return "MPEG-4"
	case "PCMU", "PCMA":
		return "G.711"
	case "MPV":
		return "MPEG-2"
	case "H264":
		return "H.264 (interleaved)"
	case "H265", "HEVC":
		return "H.265 (interleaved)"
	}
	return c.name
}

// clean makes a server's words fit for one line.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// writeSDP is an announcement of one track. Its formats have no names: the library shall hand over packets, not look
// into them.
func writeSDP(session map[string]string, m media, forms map[uint8]form) ([]byte, error) {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns= \r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n")
	if c := session["control"]; strings.HasPrefix(c, "rtsp") {
		if _, err := base.ParseURL(c); err == nil {
			b.WriteString("a=control:" + c + "\r\n")
		}
	}
	writeKey(&b, session)
	b.WriteString("m=video 0 " + proto(m.proto))
	for _, t := range m.types {
		if _, ok := forms[t]; ok {
			fmt.Fprintf(&b, " %d", t)
		}
	}
	b.WriteString("\r\n")
	control, err := controlURL(m.attrs["control"])
	if err != nil {
		return nil, err
	}
	if control != "" {
		b.WriteString("a=control:" + control + "\r\n")
	}
	writeKey(&b, m.attrs)
	for _, t := range m.types {
		if f, ok := forms[t]; ok {
			fmt.Fprintf(&b, "a=rtpmap:%d X/%d\r\n", t, f.hz)
		}
	}
	return []byte(b.String()), nil
}

// writeKey hands on the key of encrypted packets.
func writeKey(b *strings.Builder, attrs map[string]string) {
	if key := attrs["key-mgmt"]; strings.HasPrefix(key, "mikey ") {
		b.WriteString("a=key-mgmt:" + key + "\r\n")
	}
}

func proto(p string) string {
	if strings.Contains(strings.ToUpper(p), "SAVP") {
		return "RTP/SAVP"
	}
	return "RTP/AVP"
}

// controlURL checks a track's address, absolute or relative. The library would not notice a bad one in time.
func controlURL(c string) (string, error) {
	whole := c
	if !strings.HasPrefix(c, "rtsp://") && !strings.HasPrefix(c, "rtsps://") {
		c = escapePath("/" + c)[1:]
		whole = "rtsp://host/" + c
	}
	if c == "*" || c == "" {
		return "", nil
	}
	if _, err := base.ParseURL(whole); err != nil || strings.Contains(c, "@") {
		return "", fmt.Errorf("the camera announces a track whose address %q cannot be used", redact(clean(c)))
	}
	return c, nil
}
