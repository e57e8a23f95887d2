package rtsp_test

import (
	"context"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"yfv2d/capture/live"
	"yfv2d/capture/rtsp"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

// describe changes the answers to DESCRIBE.
func describe(change func(res *base.Response)) func(*base.Response) {
	return func(res *base.Response) {
		if len(res.Body) > 0 {
			change(res)
		}
	}
}

// body replaces by a regular expression in announcements.
func body(pattern, with string) func(*base.Response) {
	return describe(func(res *base.Response) {
		res.Body = regexp.MustCompile(pattern).ReplaceAll(res.Body, []byte(with))
	})
}

// TestHabits: cameras that do not keep to the standards are taken all the same.
func TestHabits(t *testing.T) {
	t.Parallel()
	clip := rtsptest.PatternH264().First(400 * time.Millisecond)
	rows := []struct {
		name string
		cam  rtsptest.Config
	}{
		{"no Content-Base", rtsptest.Config{Rewrite: describe(func(res *base.Response) { delete(res.Header, "Content-Base") })}},
		{"no Content-Base, query", rtsptest.Config{Rewrite: describe(func(res *base.Response) { delete(res.Header, "Content-Base") })}},
		{"Content-Base that is none", rtsptest.Config{Rewrite: describe(func(res *base.Response) { res.Header["Content-Base"] = base.HeaderValue{"stream/"} })}},
		{"Content-Base without host", rtsptest.Config{Rewrite: describe(func(res *base.Response) { res.Header["Content-Base"] = base.HeaderValue{"rtsp:///stream/"} })}},
		{"Content-Base a path", rtsptest.Config{Rewrite: describe(func(res *base.Response) { res.Header["Content-Base"] = base.HeaderValue{"/stream/"} })}},
		{"Content-Base of the camera's own network", rtsptest.Config{Rewrite: describe(func(res *base.Response) {
			res.Header["Content-Base"] = base.HeaderValue{"rtsp://10.0.0.9:554/stream/"}
		})}},
		{"two of each header", rtsptest.Config{Rewrite: describe(func(res *base.Response) {
			for _, h := range []string{"Content-Base", "Content-Type"} {
				res.Header[h] = base.HeaderValue{res.Header[h][0], res.Header[h][0]}
			}
		})}},
		{"no Content-Type", rtsptest.Config{Rewrite: describe(func(res *base.Response) { delete(res.Header, "Content-Type") })}},
		{"no address of the track", rtsptest.Config{Rewrite: body("a=control:trackID=0\r\n", "")}},
		{"absolute address of the track", rtsptest.Config{Rewrite: body("a=control:trackID=0", "a=control:rtsp://10.0.0.9/stream/trackID=0")}},
		{"relative address of the session", rtsptest.Config{Rewrite: body("m=video", "a=control:/stream/\r\nm=video")}},
		{"damaged parameter sets", rtsptest.Config{Rewrite: body("sprop-parameter-sets=[^;\r]*", "sprop-parameter-sets=?,?")}},
		{"damaged audio", rtsptest.Config{Rewrite: body("m=video", "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/zz\r\na=fmtp:97 config=??\r\nm=video")}},
		{"a codec of tomorrow beside it", rtsptest.Config{Rewrite: body("(?s)(m=video.*)", "m=video 0 RTP/AVP 99\r\na=rtpmap:99 H266/90000\r\na=control:trackID=9\r\n$1")}},
		{"line ends of Unix", rtsptest.Config{Rewrite: body("\r\n", "\n")}},
		{"no path", rtsptest.Config{Path: "/"}},
		{"IPv6", rtsptest.Config{Listen: "[::1]:0"}},
		{"a path of its own kind", rtsptest.Config{Path: "cam/realmonitor"}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			r.cam.Clip, r.cam.User, r.cam.Password = clip, "admin", "p@ss:w/o#r?d%"
			cam := rtsptest.Start(t, r.cam)
			spec := strings.Replace(cam.URL(), strings.SplitN(strings.SplitN(cam.URL(), "//", 2)[1], "@", 2)[0], "admin:p@ss:w/o#r?d%", 1) // as people type it
			if r.name == "no path" {
				spec = strings.TrimSuffix(spec, "/")
			}
			if strings.HasSuffix(r.name, "query") {
				spec += "?channel=1&subtype=0"
			}
			mustRead(t, open(t, parse(t, spec)))
		})
	}
}

// TestRefusals: what a retry will not mend is told as such.
func TestRefusals(t *testing.T) {
	t.Parallel()
	status := func(code base.StatusCode) func(*base.Response) {
		return describe(func(res *base.Response) { res.StatusCode, res.StatusMessage, res.Body = code, "as it says", nil })
	}
	rows := []struct {
		name    string
		rewrite func(*base.Response)
		says    string
		passing bool
	}{
		{"VP8 and AAC", body("(?s)m=video.*", "m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000\r\n"),
			"the stream has video VP8 and audio AAC; supported are H.264, H.265, MJPEG", false},
		{"audio only", body("(?s)m=video.*", "m=audio 0 RTP/AVP 0\r\n"), "the stream has no video, only audio G.711; supported", false},
		{"nothing", body("(?s)m=video.*", ""), "the stream has no video; supported", false},
		{"no SDP", describe(func(res *base.Response) { res.Header["Content-Type"] = base.HeaderValue{"text/html"} }), "another language than SDP", false},
		{"403", status(403), "this user may not see the stream (403)", false},
		{"404", status(404), "no such stream (404)", false},
		{"453", status(453), "the camera is busy (453)", true},
		{"503", status(503), "the camera is busy (503)", true},
		{"500", status(500), "the camera answers 500 (as it says)", true},
		{"a track's address with a password", body("a=control:trackID=0", "a=control:rtsp://a:b@c/d"), "whose address \"rtsp://c/d\" cannot be used", true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			cam := rtsptest.Start(t, rtsptest.Config{Clip: rtsptest.PatternMJPEG(), Rewrite: r.rewrite, User: "admin", Password: "secret"})
			_, err := rtsp.Open(context.Background(), parse(t, cam.URL()), live.Options{})
			if !r.passing {
				refusal(t, err, r.says)
			} else if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Errorf("error %v, want %q", err, r.says)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v shows the password", err)
			}
		})
	}
}

// TestRedirects: a redirect is followed, but the password goes to no other host.
func TestRedirects(t *testing.T) {
	t.Parallel()
	clip := rtsptest.PatternMJPEG()
	cert := newCertificate(t)
	to := rtsptest.Start(t, rtsptest.Config{Clip: clip, User: "admin", Password: "secret"})
	open := rtsptest.Start(t, rtsptest.Config{Clip: clip})
	_, port, _ := strings.Cut(to.Addr(), ":")
	redirects := func(code base.StatusCode, location string, cfg rtsptest.Config) *rtsptest.Server {
		cfg.Clip = clip
		cfg.Rewrite = describe(func(res *base.Response) {
			res.StatusCode, res.Body, res.Header["Location"] = code, nil, base.HeaderValue{location}
		})
		return rtsptest.Start(t, cfg)
	}
	const stream = "/stream"
	rows := []struct {
		name, from string
		says       string
	}{
		{"same host", redirects(302, "rtsp://"+to.Addr()+stream, rtsptest.Config{User: "admin", Password: "secret"}).URL(), ""},
		{"permanently", redirects(301, "rtsp://"+to.Addr()+stream, rtsptest.Config{User: "admin", Password: "secret"}).URL(), ""},
		{"another host", redirects(302, "rtsp://localhost:"+port+stream, rtsptest.Config{User: "admin", Password: "secret"}).URL(), "rtsp://localhost:" + port + "/stream: the camera wants a user name and a password (401)"},
		{"another host, open to all", redirects(302, open.URL(), rtsptest.Config{}).URL(), ""},
		{"another host, which brings a password", redirects(302, to.URL(), rtsptest.Config{}).URL(), ""},
		{"no address", redirects(302, "http://"+to.Addr()+"/", rtsptest.Config{}).URL(), "want rtsp://"},
		{"from TLS to none", redirects(302, "rtsp://"+to.Addr()+stream, rtsptest.Config{TLS: cert.server}).URL(), "redirects from TLS to rtsp://"},
	}
	var self string
	rows = append(rows, struct{ name, from, says string }{"round in a circle", func() string {
		cam := rtsptest.Start(t, rtsptest.Config{Clip: clip, Rewrite: describe(func(res *base.Response) {
			res.StatusCode, res.Body, res.Header["Location"] = 302, nil, base.HeaderValue{self}
		})})
		self = cam.URL()
		return cam.URL()
	}(), "redirects more than 5 times"})
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			cfg := parse(t, r.from)
			cfg.TLSInsecure = true
			src, err := rtsp.Open(context.Background(), cfg, live.Options{})
			if r.says != "" {
				refusal(t, err, r.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			mustRead(t, src)
			_ = src.Close()
		})
	}
}

// TestSessionExpires: a camera that knows a session no more says so only when it is asked to keep it.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	var playing atomic.Bool
	cam := rtsptest.Start(t, rtsptest.Config{Clip: rtsptest.PatternMJPEG(), Rewrite: func(res *base.Response) {
		if s := res.Header["Session"]; len(s) == 1 {
			res.Header["Session"] = base.HeaderValue{strings.Split(s[0], ";")[0] + ";timeout=1"}
		}
		if playing.Load() {
			res.StatusCode = base.StatusSessionNotFound
		}
	}})
	src := open(t, parse(t, cam.URL()))
	mustRead(t, src)
	playing.Store(true)
	var err error
	for err == nil {
		_, err = read(t, src)
	}
	if !strings.HasSuffix(err.Error(), "/stream: the camera ended the session (454)") {
		t.Errorf("error %v", err)
	}
	if cam.Requests(base.Options)+cam.Requests(base.GetParameter) < 2 {
		t.Error("nothing was sent to keep the session")
	}
}

// TestUnitsAreHandedOn: whoever wants them gets all units, with their parameter sets.
func TestUnitsAreHandedOn(t *testing.T) {
	t.Parallel()
	for _, c := range []rtsptest.Clip{rtsptest.PatternH264().First(400 * time.Millisecond), rtsptest.PatternH265().First(400 * time.Millisecond)} {
		t.Run(string(c.Codec), func(t *testing.T) {
			cam := rtsptest.Start(t, rtsptest.Config{Clip: c, OutOfBand: true})
			units := make(chan string, 100)
			src, err := rtsp.Open(context.Background(), parse(t, cam.URL()), live.Options{OnUnit: handOn(units)})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			known := map[string]int{}
			for i, u := range c.Units {
				known[string(u.Data)] = i
			}
			last := -1
			for range 20 {
				select {
				case u := <-units:
					i, ok := known[u]
					if !ok || last >= 0 && i != (last+1)%len(c.Units) {
						t.Fatalf("unit %d (%t) after %d", i, ok, last)
					}
					last = i
				case <-time.After(patience):
					t.Fatal("no unit")
				}
			}
		})
	}
}

// handOn copies units to a channel.
func handOn(units chan<- string) func(*pipeline.AccessUnit) {
	return func(u *pipeline.AccessUnit) {
		select {
		case units <- string(u.Data):
		default:
		}
	}
}

// TestGoodbye: a camera that allows few sessions gets its own back at once.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	cam := rtsptest.Start(t, rtsptest.Config{Clip: rtsptest.PatternMJPEG(), UDP: true})
	for _, transport := range []rtsp.Transport{rtsp.TCP, rtsp.UDP} {
		cfg := parse(t, cam.URL())
		cfg.Transport = transport
		src, err := rtsp.Open(context.Background(), cfg, live.Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustRead(t, src)
		if n := cam.Sessions(); n != 1 {
			t.Errorf("%v: %d sessions", transport, n)
		}
		_ = src.Close()
		for deadline := time.Now().Add(patience); cam.Sessions() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v: the session stays", transport)
			}
		}
	}
	if n := cam.Requests(base.Teardown); n != 2 {
		t.Errorf("%d TEARDOWNs of 2", n)
	}
}
