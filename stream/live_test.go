package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// goldenText compares a message with its golden file, byte by byte but for the line feed at its end.
func goldenText(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
	if !json.Valid(got) {
		t.Errorf("%s is no JSON", name)
	}
}

func TestGoldenMessages(t *testing.T) {
	snap := threeTracks()
	size := image.Pt(1280, 720)
	at := noon.Add(-50*time.Millisecond - 380*time.Microsecond)
	goldenText(t, "live_hello.json", helloText([]helloCameraJSON{{"door", []string{"person", "cup"}}, {"yard", []string{}}}, noon))
	goldenText(t, "live_pong.json", appendPong(nil, 7, noon.Add(123*time.Microsecond)))
	goldenText(t, "live_frame.json", appendFrame(nil, "door", at, 4294967295, size, snap.At(at)))
	goldenText(t, "live_detect.json", appendDetect(nil, "door", snap, 90000, size, 12345*time.Microsecond, snap.At(snap.Time)))
}

// A page that draws the label of what stands needs to know for how long it has.
func TestMessageTellsForHowLongAnObjectStands(t *testing.T) {
	for _, row := range []struct {
		name  string
		since time.Time
		want  string
	}{
		{"moves", time.Time{}, `"stationary":false,"stationary_for":0}`},
		{"stands", noon.Add(10 * time.Second), `"stationary":true,"stationary_for":135.3}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			track := tracker.Track{FirstSeen: noon, Age: 145250 * time.Millisecond, StationarySince: row.since}
			if got := string(appendTrack(nil, &track)); !strings.HasSuffix(got, row.want) {
				t.Errorf("got %s, want it to end with %s", got, row.want)
			}
		})
	}
}

func TestMessageNumbers(t *testing.T) {
	for _, row := range []struct {
		name     string
		x        float64
		decimals int
		want     string
	}{
		{"zero", 0, 1, "0"},
		{"negative zero", math.Copysign(0, -1), 1, "0"},
		{"rounds to zero", -0.04, 1, "0"},
		{"rounds up", 9.96, 1, "10"},
		{"tenth", 300.25, 1, "300.3"},
		{"negative", -12.34, 1, "-12.3"},
		{"below one", -0.5, 1, "-0.5"},
		{"hundredth", 0.07, 2, "0.07"},
		{"no trailing zero", 0.5, 2, "0.5"},
		{"thousandth", 1.005, 3, "1.005"},
		{"whole", 59.6, 0, "60"},
		{"not a number", math.NaN(), 1, "0"},
		{"infinite", math.Inf(1), 1, "1000000000000"},
		{"infinite the other way", math.Inf(-1), 2, "-1000000000000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(appendRounded(nil, row.x, row.decimals)); got != row.want {
				t.Errorf("%v is written as %s, want %s", row.x, got, row.want)
			}
		})
	}
}

// The clock of live messages ignores the wall clock: two moments are as far apart as the monotonic clock says.
func TestMessageClock(t *testing.T) {
	now := time.Now()
	if got := liveNanos(now.Add(time.Hour)) - liveNanos(now); got != int64(time.Hour) {
		t.Errorf("an hour is %v", time.Duration(got))
	}
	if d := time.Duration(liveNanos(now) - now.UnixNano()).Abs(); d > time.Minute {
		t.Errorf("%v from the wall clock", d)
	}
}

// liveStage is a running server with so many cameras named a, b, c ..., whose feeds a test tells things.
type liveStage struct {
	t       *testing.T
	s       *Server
	cameras []Camera
	stop    func() error
}

func newLiveStage(t *testing.T, cameras int, change func(*Config)) *liveStage {
	t.Helper()
	st := &liveStage{t: t}
	for i := range cameras {
		st.cameras = append(st.cameras, st.camera(string(rune('a'+i))))
	}
	cfg := Config{Cameras: slices.Clone(st.cameras), Listen: []string{"127.0.0.1:0"}, Log: zerolog.Nop()}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	st.s, st.stop = s, sync.OnceValue(runServer(t, s))
	t.Cleanup(func() {
		if err := st.stop(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func (st *liveStage) camera(name string) Camera {
	b := NewBroadcaster(BroadcasterConfig{Name: name, FPS: 30, Latency: func() time.Duration { return 12 * time.Millisecond }})
	st.t.Cleanup(func() { _ = b.Close() })
	return Camera{Name: name, Classes: []string{"person", "cup"}, Stats: liveStats, Broadcaster: b}
}

func (st *liveStage) url(scheme, path string) string {
	return scheme + "://" + st.s.Addrs()[0].String() + path
}

// frame tells of a frame of camera i.
func (st *liveStage) frame(i int, at time.Time) {
	b := st.cameras[i].Broadcaster
	b.feed.frame(at, b.rtpTime(at), image.Pt(640, 480), tracker.New(tracker.Config{}).Update(nil, at).At(at))
}

// detected tells of a detection step of camera i.
func (st *liveStage) detected(i int, at time.Time) {
	tr := tracker.New(tracker.Config{Interval: 100 * time.Millisecond})
	st.cameras[i].Broadcaster.Detected(tr.Update([]infer.Detection{{Box: infer.Box{X1: 10, Y1: 10}, Score: 0.9}}, at), image.Pt(640, 480))
}

// message is a live message as a page sees it.
type message struct {
	Type    string  `json:"type"`
	Time    float64 `json:"time"`
	ID      int64   `json:"id"`
	Cameras []struct {
		Name    string   `json:"name"`
		Classes []string `json:"classes"`
	} `json:"cameras"`
	Camera   string     `json:"camera"`
	RTP      uint32     `json:"rtp"`
	At       float64    `json:"at"`
	Size     [2]int     `json:"size"`
	Interval float64    `json:"interval_ms"`
	Latency  float64    `json:"latency_ms"`
	Tracks   []struct{} `json:"tracks"`
}

// names are the cameras of a hello.
func (m message) names() string {
	var all []string
	for _, c := range m.Cameras {
		all = append(all, c.Name)
	}
	return strings.Join(all, ",")
}

// page is a WebSocket client.
type page struct {
	t    *testing.T
	conn *websocket.Conn
}

func (st *liveStage) open(query string) *page {
	st.t.Helper()
	conn, resp, err := st.dial(query, nil)
	if err != nil {
		st.t.Fatalf("%v: %v", err, resp)
	}
	st.t.Cleanup(func() { _ = conn.CloseNow() })
	return &page{st.t, conn}
}

func (st *liveStage) dial(query string, header http.Header) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return websocket.Dial(ctx, st.url("ws", "/api/live"+query), &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
}

func (p *page) read() (message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	var m message
	_, text, err := p.conn.Read(ctx)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// next is the next message, which must be of this type.
func (p *page) next(kind string) message {
	p.t.Helper()
	m, err := p.read()
	if err != nil {
		p.t.Fatalf("instead of %s: %v", kind, err)
	}
	if m.Type != kind {
		p.t.Fatalf("got %+v, want a message of type %s", m, kind)
	}
	return m
}

func (p *page) say(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// closed reads until the connection ends and gives the reason.
func (p *page) closed() (websocket.StatusCode, string) {
	for {
		if _, err := p.read(); err != nil {
			var ce websocket.CloseError
			errors.As(err, &ce)
			return ce.Code, ce.Reason
		}
	}
}

func TestLiveMessages(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("", func(t *testing.T) {
		st := newLiveStage(t, 3, nil)
		p := st.open("?cameras=c,a,c")
		if m := p.next("hello"); m.names() != "a,c" || fmt.Sprint(m.Cameras[0].Classes) != "[person cup]" {
			t.Errorf("hello of %+v", m)
		}
		at := time.Now()
		st.frame(0, at)
		st.frame(0, at) // the same frame, once more
		st.frame(1, at) // not asked for
		st.frame(2, at)
		st.detected(2, at)
		b := st.cameras[0].Broadcaster
		if m := p.next("frame"); m.Camera != "a" || m.RTP != b.rtpTime(at) || m.Size != [2]int{640, 480} || m.Tracks == nil ||
			math.Abs(m.At-float64(liveNanos(at))/1e6) > 0.2 {
			t.Errorf("first frame %+v at %d", m, at.UnixMilli())
		}
		if m := p.next("frame"); m.Camera != "c" {
			t.Errorf("second frame %+v", m)
		}
		if m := p.next("detect"); m.Camera != "c" || m.Interval != 100 || m.Latency != 12 || m.RTP != st.cameras[2].Broadcaster.rtpTime(at) {
			t.Errorf("detection %+v", m)
		}
		if lag := st.cameras[2].Broadcaster.lag(); lag != 112*time.Millisecond {
			t.Errorf("lag %v, want interval and latency, 112ms", lag)
		}
		if lag := st.cameras[0].Broadcaster.lag(); lag != 0 {
			t.Errorf("lag %v before the first detection", lag)
		}
	})
}

// A frame is told when it is written for viewers, with the timestamp that its packets carry.
func TestFramesAreToldAsWritten(t *testing.T) {
	s := newStage(t, nil)
	v := s.join()
	h := newLiveHub()
	set, err := newCameraSet([]Camera{{Name: "door", Broadcaster: s.b}})
	if err != nil {
		t.Fatal(err)
	}
	h.show(set)
	s.writes(1) // nobody listens
	sub, err := h.join(remoteAddr(&http.Request{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.writes(3)
	h.leave(sub)
	s.writes(1)
	units := take(v)
	hello, _ := sub.next()
	if hello.kind != liveHello {
		t.Errorf("first message %s", hello.text)
	}
	for i := range 3 {
		m, ok := sub.next()
		var got message
		if err := json.Unmarshal(m.text, &got); !ok || err != nil {
			t.Fatalf("message %d: %s: %v", i, m.text, err)
		}
		if want := units[1+i].ts; got.Type != "frame" || got.RTP != want || got.Size != [2]int{64, 48} {
			t.Errorf("message %d: %+v, packets carry %d", i, got, want)
		}
	}
	if m, ok := sub.next(); ok {
		t.Errorf("one more message %s", m.text)
	}
}

func TestClockOffset(t *testing.T) {
	st := newLiveStage(t, 1, nil)
	p := st.open("")
	p.next("hello")
	for id := range int64(5) {
		before := time.Now()
		p.say(fmt.Sprintf(`{"type":"ping","id":%d}`, id))
		m := p.next("pong")
		after := time.Now()
		if m.ID != id || m.Time < float64(liveNanos(before))/1e6-0.2 || m.Time > float64(liveNanos(after))/1e6+0.2 {
			t.Errorf("pong %+v is not between %v and %v", m, before, after)
		}
	}
}

func TestLiveNames(t *testing.T) {
	for _, row := range []struct{ name, query, want, fault string }{
		{"absent", "", "all", ""},
		{"other parameters", "x=1", "all", ""},
		{"one", "cameras=a", "a", ""},
		{"several, one twice", "cameras=b,a,b", "b,a", ""},
		{"parameter twice", "cameras=a&cameras=b", "a,b", ""},
		{"escaped comma", "cameras=a%2Cb", "a,b", ""},
		{"empty", "cameras=", "", "a name is empty"},
		{"empty between", "cameras=a,,b", "", "a name is empty"},
		{"broken escape", "cameras=%zz", "", "want name=value"},
		{"semicolon", "cameras=a;b", "", "want name=value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			names, err := liveNames(row.query)
			if row.fault != "" {
				if err == nil || !strings.Contains(err.Error(), row.fault) {
					t.Errorf("error %v, want one with %q", err, row.fault)
				}
				return
			}
			got := strings.Join(names, ",")
			if names == nil {
				got = "all"
			}
			if err != nil || got != row.want {
				t.Errorf("%q, %v; want %q", got, err, row.want)
			}
		})
	}
}
