package rtsp_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"yfv2d/capture"
	"yfv2d/capture/live"
	"yfv2d/capture/rtsp"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

// TestEnds: a stream that ends says how.
func TestEnds(t *testing.T) {
	t.Parallel()
	clip := rtsptest.PatternH264().First(400 * time.Millisecond)
	rows := []struct {
		name string
		end  func(*rtsptest.Server)
		udp  bool
		says string
	}{
		{"closed", (*rtsptest.Server).Hangup, false, "/stream: the camera closed the connection"},
		{"closed, UDP", (*rtsptest.Server).Hangup, true, "/stream: the camera closed the connection"},
		{"reset", (*rtsptest.Server).Reset, false, "/stream: the camera reset the connection"},
		{"BYE", (*rtsptest.Server).Bye, false, "/stream: the camera ended the stream (RTCP BYE)"},
		{"BYE, UDP", (*rtsptest.Server).Bye, true, "/stream: the camera ended the stream (RTCP BYE)"},
		{"TEARDOWN", (*rtsptest.Server).Teardown, false, "/stream: the camera ended the session (TEARDOWN)"},
		{"ANNOUNCE", func(s *rtsptest.Server) { s.Ask(base.Announce) }, false, "/stream: the camera changed its stream (ANNOUNCE)"},
		{"stopped", (*rtsptest.Server).Stop, false, "/stream: the camera closed the connection"},
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range rows {
		atOnce(t, &all, r.name, func(t *testing.T) {
			cam := rtsptest.Start(t, rtsptest.Config{Clip: clip, UDP: r.udp, User: "admin", Password: "secret"})
			cfg := parse(t, cam.URL())
			if r.udp {
				cfg.Transport = rtsp.UDP
			}
			src := open(t, cfg)
			mustRead(t, src)
			r.end(cam)
			var err error
			for err == nil {
				_, err = read(t, src)
			}
			if !strings.HasSuffix(err.Error(), r.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want %q", err, r.says)
			}
			if again, err2 := read(t, src); err2 == nil || err2.Error() != err.Error() {
				t.Errorf("read again: %v, %v", again.counter, err2)
			}
		})
	}
}

// viewer reads a camera through all that happens to it, and judges each picture.
type viewer struct {
	t    *testing.T
	src  *capture.Reopening
	cam  *rtsptest.Server
	want map[string][][]byte // drawn pictures by size
	last time.Time
}

func watch(t *testing.T, cam *rtsptest.Server, transport rtsp.Transport, want map[string][][]byte) *viewer {
	t.Helper()
	cfg := parse(t, cam.URL())
	cfg.Transport = transport
	src := capture.NewReopening(func(ctx context.Context) (pipeline.Source, error) {
		return rtsp.Open(ctx, cfg, live.Options{OpenTimeout: 5 * time.Second})
	}, capture.ReopeningOptions{RetryMax: time.Second, Quiet: 1500 * time.Millisecond})
	v := &viewer{t: t, src: src, cam: cam, want: want}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return v
}

// picture reads the next picture and asserts that it is as it was drawn.
func (v *viewer) picture() shot {
	v.t.Helper()
	s, err := read(v.t, v.src)
	if err != nil {
		v.t.Fatalf("%v (%+v)", err, v.src.Status())
	}
	drawn := v.want[s.size]
	if s.counter >= uint32(len(drawn)) {
		v.t.Fatalf("a picture of %s shows counter %d of %d", s.size, s.counter, len(drawn))
	}
	if p := psnr(s.pix, drawn[s.counter]); p < 30 {
		v.t.Errorf("picture %d of %s has a PSNR of %.1f dB", s.counter, s.size, p)
	}
	if !s.at.After(v.last) {
		v.t.Errorf("picture %d is of %v before the one before", s.counter, v.last.Sub(s.at))
	}
	v.last = s.at
	return s
}

func (v *viewer) pictures(n int) {
	v.t.Helper()
	for range n {
		v.picture()
	}
}

// until reads pictures up to one that came after a moment, and gives it.
func (v *viewer) until(moment time.Time) shot {
	v.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		s := v.picture()
		if s.at.After(moment) {
			return s
		}
		if time.Now().After(deadline) {
			v.t.Fatal("no new picture")
		}
	}
}

// atOnce runs subtests side by side, however few cores there are: they mostly wait.
func atOnce(t *testing.T, all *sync.WaitGroup, name string, f func(*testing.T)) {
	all.Add(1)
	go func() {
		defer all.Done()
		t.Run(name, f)
	}()
}

// TestFaults lets each fault happen, over each transport that it may happen to. No picture may be shown that is not as it
// was drawn, and pictures must come again.
func TestFaults(t *testing.T) {
	t.Parallel()
	short := rtsptest.PatternH264().First(time.Second)
	want := map[string][][]byte{"192x144": pattern(t, "192x144", 150), "320x240": pattern(t, "320x240", 30)}
	rows := []struct {
		name  string
		clip  rtsptest.Clip
		only  []rtsp.Transport // empty: TCP and UDP
		fault func(t *testing.T, cam *rtsptest.Server)
	}{
		{"freeze", short, nil, func(_ *testing.T, cam *rtsptest.Server) {
			cam.Freeze()
			time.Sleep(2500 * time.Millisecond)
			cam.Thaw()
		}},
		{"short freeze", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Freeze(); time.Sleep(500 * time.Millisecond); cam.Thaw() }},
		{"close", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Hangup() }},
		{"RST", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Reset() }},
		{"half a frame", short, nil, func(_ *testing.T, cam *rtsptest.Server) {
			cam.HalfFrame()
			time.Sleep(2500 * time.Millisecond)
			cam.Thaw()
		}},
		{"garbage", short, []rtsp.Transport{rtsp.TCP}, func(_ *testing.T, cam *rtsptest.Server) { cam.Garbage(3000) }},
		{"slow-loris", short, []rtsp.Transport{rtsp.TCP}, func(_ *testing.T, cam *rtsptest.Server) {
			cam.SlowLoris()
			time.Sleep(2500 * time.Millisecond)
			cam.Thaw()
		}},
		{"down", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Down(time.Second) }},
		{"wrong password, then right", short, nil, func(_ *testing.T, cam *rtsptest.Server) {
			cam.SetPassword("another")
			cam.Hangup()
			time.Sleep(1200 * time.Millisecond)
			cam.SetPassword("secret")
		}},
		{"another size", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.SetClip(rtsptest.LargeH264()) }},
		{"another size in mid-stream", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Resize(rtsptest.LargeH264()) }},
		{"another codec", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.SetClip(rtsptest.PatternH265()) }},
		{"MJPEG instead", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.SetClip(rtsptest.PatternMJPEG()) }},
		{"another codec in mid-stream", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Switch(1) }},
		{"RTP clock forward", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.JumpRTP(time.Hour) }},
		{"RTP clock back", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.JumpRTP(-time.Hour) }},
		{"lost packets", short, nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Lose(20); time.Sleep(2 * time.Second); cam.Lose(0) }},
		{"packets sent twice", short, nil, func(_ *testing.T, cam *rtsptest.Server) {
			cam.Duplicate(3)
			time.Sleep(2 * time.Second)
			cam.Duplicate(0)
		}},
		{"packets out of order", short, []rtsp.Transport{rtsp.UDP}, func(_ *testing.T, cam *rtsptest.Server) {
			cam.Swap(5)
			time.Sleep(2 * time.Second)
			cam.Swap(0)
		}},
		{"key pictures each 10 s", rtsptest.PatternH264(), nil, func(_ *testing.T, cam *rtsptest.Server) { cam.Hangup() }},
		{"asked for a sign of life", short, []rtsp.Transport{rtsp.TCP}, func(_ *testing.T, cam *rtsptest.Server) {
			cam.Ask(base.GetParameter)
			cam.Ask(base.SetParameter)
			cam.Ask(base.Options)
		}},
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range rows {
		transports := r.only
		if len(transports) == 0 {
			transports = []rtsp.Transport{rtsp.TCP, rtsp.UDP}
		}
		for _, transport := range transports {
			atOnce(t, &all, fmt.Sprintf("%s/%v", r.name, transport), func(t *testing.T) {
				cam := rtsptest.Start(t, rtsptest.Config{Clip: r.clip, Also: []rtsptest.Clip{rtsptest.PatternH265()}, UDP: true, User: "admin", Password: "secret"})
				v := watch(t, cam, transport, want)
				v.pictures(5)
				done := make(chan time.Time, 1)
				go func() { r.fault(t, cam); done <- time.Now() }()
				var healed time.Time
				for healed.IsZero() { // as a camera's pipeline, it never stops reading
					v.picture()
					select {
					case healed = <-done:
					default:
					}
				}
				v.until(healed.Add(time.Second))
				t.Logf("units %+v", v.src.UnitCounts())
			})
		}
	}
}

// TestLostPackets: what is lost costs pictures up to the next key picture, and is counted.
func TestLostPackets(t *testing.T) {
	t.Parallel()
	clip := rtsptest.PatternH264().First(time.Second)
	cam := rtsptest.Start(t, rtsptest.Config{Clip: clip})
	src := open(t, parse(t, cam.URL()))
	mustRead(t, src)
	counter := src.(pipeline.UnitCounter)
	if n := counter.UnitCounts(); n.DecodeError != 0 {
		t.Fatalf("%+v before anything was lost", n)
	}
	cam.Lose(8) // a picture is a packet, but for the key pictures
	shots := collect(t, src, 40)
	drawn, gaps := pattern(t, "192x144", len(clip.Units)), 0
	for i, s := range shots {
		if s.counter >= uint32(len(drawn)) || psnr(s.pix, drawn[s.counter]) < 30 {
			t.Fatalf("picture %d, of counter %d, is damaged", i, s.counter)
		}
		if i > 0 && s.counter != (shots[i-1].counter+1)%uint32(len(drawn)) {
			gaps++
		}
	}
	if n := counter.UnitCounts(); gaps == 0 || n.DecodeError == 0 || n.NotDecoded == 0 {
		t.Errorf("%d gaps, %+v", gaps, n)
	}
	_ = src.Close()
	if n := counter.UnitCounts(); n.Units != uint64(1+len(shots))+n.DecodeError+n.NotDecoded {
		t.Errorf("%d captured, %+v", 1+len(shots), n)
	}
}

// TestClocks: whatever a camera's clocks say, pictures are dated in order and near the present.
func TestClocks(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		cam  rtsptest.Config
	}{
		{"right", rtsptest.Config{}},
		{"no reports", rtsptest.Config{ReportEvery: -1}},
		{"years behind", rtsptest.Config{NTP: func() time.Time { return time.Now().AddDate(-30, 0, 0) }}},
		{"set again and again", rtsptest.Config{ReportEvery: 100 * time.Millisecond, NTP: func() time.Time {
			return time.Unix(time.Now().UnixNano()%1_000_000_007, 0)
		}}},
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range rows {
		atOnce(t, &all, r.name, func(t *testing.T) {
			r.cam.Clip = rtsptest.PatternH264().First(time.Second)
			cam := rtsptest.Start(t, r.cam)
			src := open(t, parse(t, cam.URL()))
			shots := collect(t, src, 30)
			inOrder(t, shots, pattern(t, "192x144", 15), r.cam.Clip.Interval)
		})
	}
}

// TestOpenIsCut: Open returns when its ctx ends or its time is over, whatever the camera does.
func TestOpenIsCut(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	for _, r := range []struct {
		name string
		cam  rtsptest.Config
	}{{"TCP", rtsptest.Config{}}, {"TLS", rtsptest.Config{TLS: cert.server}}} {
		t.Run(r.name, func(t *testing.T) {
			r.cam.Clip = rtsptest.PatternMJPEG()
			cam := rtsptest.Start(t, r.cam)
			cam.Freeze()
			cfg := parse(t, cam.URL())
			_, err := rtsp.Open(context.Background(), cfg, live.Options{OpenTimeout: 200 * time.Millisecond})
			if err == nil || !strings.Contains(err.Error(), "/stream: no answer within 200ms: is the camera on, and is "+cam.Addr()+" right?") {
				t.Errorf("error %v", err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(100*time.Millisecond, cancel)
			if _, err := rtsp.Open(ctx, cfg, live.Options{}); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		})
	}
}

// TestCloseDoesNotHang: a camera that has fallen silent is left all the same.
func TestCloseDoesNotHang(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	for _, r := range []struct {
		name      string
		cam       rtsptest.Config
		transport rtsp.Transport
	}{{"TCP", rtsptest.Config{}, rtsp.TCP}, {"UDP", rtsptest.Config{UDP: true}, rtsp.UDP}, {"TLS", rtsptest.Config{TLS: cert.server}, rtsp.TCP}} {
		t.Run(r.name, func(t *testing.T) {
			r.cam.Clip = rtsptest.PatternMJPEG()
			cam := rtsptest.Start(t, r.cam)
			cfg := parse(t, cam.URL())
			cfg.Transport, cfg.TLSInsecure = r.transport, true
			src := open(t, cfg)
			mustRead(t, src)
			cam.Freeze()
			done := make(chan error, 1)
			go func() { done <- src.Close() }()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Fatal("Close hangs")
			}
		})
	}
}

// TestAutoFallsBack: a camera that promises UDP of which nothing comes through is taken by TCP.
func TestAutoFallsBack(t *testing.T) {
	t.Parallel()
	ports := regexp.MustCompile(`server_port=[0-9-]+`)
	cam := rtsptest.Start(t, rtsptest.Config{Clip: rtsptest.PatternMJPEG(), UDP: true, Rewrite: func(res *base.Response) {
		if tr := res.Header["Transport"]; len(tr) == 1 { // packets from another port are not from the camera
			res.Header["Transport"] = base.HeaderValue{ports.ReplaceAllString(tr[0], "server_port=40-41")}
		}
	}})
	cfg := parse(t, cam.URL())
	cfg.Transport = rtsp.UDP
	if _, err := rtsp.Open(context.Background(), cfg, live.Options{}); err == nil || !strings.Contains(err.Error(), `no UDP packet came within 3s`) {
		t.Errorf("error %v", err)
	}
	cfg.Transport = rtsp.Auto
	mustRead(t, open(t, cfg))
	none := rtsptest.Start(t, rtsptest.Config{Clip: rtsptest.PatternMJPEG()})
	cfg = parse(t, none.URL())
	cfg.Transport = rtsp.UDP
	_, err := rtsp.Open(context.Background(), cfg, live.Options{})
	refusal(t, err, `(461): set transport`)
	cfg.Transport = rtsp.Auto
	mustRead(t, open(t, cfg))
}
