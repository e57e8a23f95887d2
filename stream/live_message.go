package stream

import (
	"encoding/json"
	"errors"
	"image"
	"math"
	"strconv"
	"time"

	"yfv2d/tracker"
)

// liveEpoch is where the clock of live messages starts: the wall time at the start of the process. From there on the
// monotonic clock counts, so that a system clock that is set bends no interval, and all "at" and "time" are on one clock.
var liveEpoch = time.Now()

// liveNanos is t on the clock of live messages, in nanoseconds of Unix time.
func liveNanos(t time.Time) int64 { return liveEpoch.UnixNano() + int64(t.Sub(liveEpoch)) }

// liveKind says what a message is, and so when it may be left out.
type liveKind uint8

const (
	liveHello liveKind = iota
	livePong
	liveDetect
	liveFrame
	liveKinds
)

// String is the message's type as JSON has it.
func (k liveKind) String() string { return [...]string{"hello", "pong", "detect", "frame"}[k] }

// liveMessage is one JSON text, shared by all that get it: nobody writes to it.
type liveMessage struct {
	kind liveKind
	text []byte
	id   int64 // of a pong, whose text is made when it is sent: its time is that moment
}

// json is the message's text at this moment.
func (m liveMessage) json() []byte {
	if m.kind == livePong {
		return appendPong(nil, m.id, time.Now())
	}
	return m.text
}

type helloJSON struct {
	Type    string            `json:"type"`
	Time    json.Number       `json:"time"`
	Cameras []helloCameraJSON `json:"cameras"`
}

type helloCameraJSON struct {
	Name    string   `json:"name"`
	Classes []string `json:"classes"` // by class number
}

// helloText is the first message, and the one when the set of cameras has changed.
func helloText(cameras []helloCameraJSON, now time.Time) []byte {
	text, err := json.Marshal(helloJSON{Type: liveHello.String(), Time: json.Number(appendMillis(nil, now)), Cameras: cameras})
	if err != nil { // these shapes hold nothing that JSON cannot say
		panic(err)
	}
	return text
}

func appendPong(b []byte, id int64, now time.Time) []byte {
	b = append(b, `{"type":"pong","id":`...)
	b = strconv.AppendInt(b, id, 10)
	b = append(b, `,"time":`...)
	b = appendMillis(b, now)
	return append(b, '}')
}

func appendFrame(b []byte, camera string, at time.Time, ts uint32, size image.Point, tracks []tracker.Track) []byte {
	b = appendPicture(b, liveFrame, camera, at, ts, size)
	b = appendTracks(b, tracks)
	return append(b, '}')
}

func appendDetect(b []byte, camera string, s *tracker.Snapshot, ts uint32, size image.Point, latency time.Duration, tracks []tracker.Track) []byte {
	b = appendPicture(b, liveDetect, camera, s.Time, ts, size)
	b = append(b, `,"interval_ms":`...)
	b = appendRounded(b, float64(s.Interval)/float64(time.Millisecond), 1)
	b = append(b, `,"latency_ms":`...)
	b = appendRounded(b, float64(latency)/float64(time.Millisecond), 1)
	b = appendTracks(b, tracks)
	return append(b, '}')
}

// appendPicture writes what frame and detect messages begin with. A camera's name needs no escapes.
func appendPicture(b []byte, kind liveKind, camera string, at time.Time, ts uint32, size image.Point) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, kind.String()...)
	b = append(b, `","camera":"`...)
	b = append(b, camera...)
	b = append(b, `","rtp":`...)
	b = strconv.AppendUint(b, uint64(ts), 10)
	b = append(b, `,"at":`...)
	b = appendMillis(b, at)
	b = append(b, `,"size":[`...)
	b = strconv.AppendInt(b, int64(size.X), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(size.Y), 10)
	return append(b, ']')
}

func appendTracks(b []byte, tracks []tracker.Track) []byte {
	b = append(b, `,"tracks":[`...)
	for i := range tracks {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrack(b, &tracks[i])
	}
	return append(b, ']')
}

// appendTrack writes a track: corners to a tenth of a pixel, velocities of the centre to 1 px/s, its age and how long it has stood still to 0.1 s.
func appendTrack(b []byte, t *tracker.Track) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, int64(t.ID), 10)
	b = append(b, `,"class":`...)
	b = strconv.AppendInt(b, int64(t.Class), 10)
	b = append(b, `,"score":`...)
	b = appendRounded(b, float64(t.Score), 2)
	b = append(b, `,"box":[`...)
	for i, v := range [4]float32{t.Box.X0, t.Box.Y0, t.Box.X1, t.Box.Y1} {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRounded(b, float64(v), 1)
	}
	b = append(b, `],"predicted":`...)
	b = strconv.AppendBool(b, t.Predicted)
	b = append(b, `,"vx":`...)
	b = appendRounded(b, float64(t.VX), 0)
	b = append(b, `,"vy":`...)
	b = appendRounded(b, float64(t.VY), 0)
	b = append(b, `,"age":`...)
	b = appendRounded(b, t.Age.Seconds(), 1)
	b = append(b, `,"stationary":`...)
	b = strconv.AppendBool(b, t.Stationary())
	b = append(b, `,"stationary_for":`...)
	b = appendRounded(b, t.StationaryFor().Seconds(), 1)
	return append(b, '}')
}

// appendMillis writes a time as milliseconds of Unix time, to a tenth.
func appendMillis(b []byte, t time.Time) []byte { return appendDecimal(b, liveNanos(t)/100_000, 1) }

// appendRounded writes x with at most so many decimals, 0 to 3. What JSON has no number for becomes 0.
func appendRounded(b []byte, x float64, decimals int) []byte {
	const most = 1e12 // far from the limits of int64, and beyond any picture or age
	if math.IsNaN(x) {
		x = 0
	}
	x = max(-most, min(x, most))
	return appendDecimal(b, int64(math.Round(x*[...]float64{1, 10, 100, 1000}[decimals])), decimals)
}

// appendDecimal writes n / 10^decimals without needless zeros.
func appendDecimal(b []byte, n int64, decimals int) []byte {
	unit := [...]int64{1, 10, 100, 1000}[decimals]
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/unit, 10)
	if n %= unit; n == 0 {
		return b
	}
	b = append(b, '.')
	for n > 0 {
		unit /= 10
		b = append(b, byte('0'+n/unit))
		n %= unit
	}
	return b
}

// errNoPing is what a page hears that sends anything else.
var errNoPing = errors.New(`want {"type":"ping","id":NUMBER}`)

// maxPingID is the largest whole number that every JSON reader keeps.
const maxPingID = 1<<53 - 1

// parsePing reads the one message that a page may send.
func parsePing(text []byte) (id int64, err error) {
	var ping struct {
		Type string `json:"type"`
		ID   *int64 `json:"id"`
	}
	if json.Unmarshal(text, &ping) != nil || ping.Type != "ping" || ping.ID == nil || *ping.ID < 0 || *ping.ID > maxPingID {
		return 0, errNoPing
	}
	return *ping.ID, nil
}
