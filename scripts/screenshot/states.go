package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yfv2d/scripts/daemon"
)

// state is a condition of the page to take a picture of.
type state struct {
	name    string
	cameras string // of the configuration
	at      string // address within the page
	wait    string
	then    string
	rest    time.Duration
	dark    bool
	noRTC   bool // the way to the server lets no WebRTC through
	noMJPEG bool // nor MJPEG
}

const playing = `document.querySelectorAll('.card.playing').length >= %d && [...document.querySelectorAll('.card.playing:not([hidden]) video')].every((v) => v.currentTime > 4)`

// clipName is the demo clip beside the configuration: its whole path is nobody's business.
const clipName = "demo-640x480.mp4"

// states lists what the page can show.
func states() []state {
	clip := func(name string) string {
		return fmt.Sprintf("[[camera]]\nname = %q\nsource = \"file:%s\"\nloop = true\n", name, clipName)
	}
	down := "[[camera]]\nname = \"garage\"\nsource = \"rtsp://127.0.0.1:9/stream\"\n"
	pattern := "[[camera]]\nname = \"pattern\"\nsource = \"test:?truth=1&objects=2&size=640x480&fps=30\"\n"
	var nine strings.Builder
	for i, name := range []string{"front-door", "driveway", "garden", "terrace", "hall", "workshop", "gate", "cellar", "roof"} {
		switch i {
		case 4:
			nine.WriteString("[[camera]]\nname = \"" + name + "\"\nsource = \"test:?size=1280x720&fps=15&objects=4\"\n")
		case 6:
			nine.WriteString(strings.ReplaceAll(down, "garage", name))
		default:
			nine.WriteString(clip(name))
		}
	}
	return []state{
		{name: "live", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1)},
		{name: "details", cameras: clip("front-door") + down, at: "#/camera/front-door", wait: fmt.Sprintf(playing, 1), then: `document.querySelector('.alone .details-button').click()`, rest: 2 * time.Second},
		{name: "details-dark", cameras: clip("front-door") + down, at: "#/camera/front-door", wait: fmt.Sprintf(playing, 1), then: `document.querySelector('.alone .details-button').click()`, rest: 2 * time.Second, dark: true},
		{name: "dark", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), dark: true},
		{name: "view", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), then: `document.getElementById('view-button').click()`, rest: time.Second},
		{name: "help", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), then: `document.getElementById('help-button').click()`, rest: time.Second},
		{name: "connecting", cameras: clip("front-door"), noRTC: true, wait: `document.querySelector('.veil-title')?.textContent`, rest: 2 * time.Second},
		{name: "fallback", cameras: clip("front-door"), noRTC: true, wait: `document.querySelector('[data-via=mjpeg]')`, rest: 3 * time.Second},
		{name: "stills", cameras: clip("front-door"), noRTC: true, noMJPEG: true, wait: `document.querySelector('[data-via=snapshots]')`, rest: 3 * time.Second},
		{name: "down", cameras: down, wait: `document.querySelector('.card.down')`, rest: 2 * time.Second},
		{name: "down-dark", cameras: down, wait: `document.querySelector('.card.down')`, rest: 2 * time.Second, dark: true},
		{name: "none", wait: `!document.getElementById('empty').hidden`, rest: 3 * time.Second},
		{name: "none-dark", wait: `!document.getElementById('empty').hidden`, rest: 3 * time.Second, dark: true},
		{name: "selftest", cameras: pattern, at: "?selftest=shot&seconds=8", wait: `document.querySelector('.test .verdict') && !document.querySelector('.test .now').textContent.includes('left')`, rest: time.Second},
		{name: "away", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), then: `globalThis.fetch = () => Promise.reject(new TypeError('away'))`, rest: 3 * time.Second},
		{name: "nine", cameras: nine.String(), wait: `document.querySelectorAll('.card.playing').length >= (innerWidth > 600 ? 6 : 2) && document.querySelector('.card.down')`, rest: 4 * time.Second},
		{name: "nine-dark", cameras: nine.String(), dark: true, wait: `document.querySelectorAll('.card.playing').length >= (innerWidth > 600 ? 6 : 2) && document.querySelector('.card.down')`, rest: 4 * time.Second},
	}
}

// shootStates takes every state's picture in both sizes into a folder.
func shootStates(bin, dir, only string) error {
	demo, err := filepath.Abs(filepath.Join("testdata", "videos", clipName))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return withBrowser(func(ctx context.Context) error {
		for _, s := range states() {
			if !strings.Contains(s.name, only) {
				continue
			}
			if err := shootState(ctx, bin, demo, dir, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		return nil
	})
}

func shootState(ctx context.Context, bin, demo, dir string, s state) error {
	work, err := os.MkdirTemp("", "yfv2d-screenshot")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Symlink(demo, filepath.Join(work, clipName)); err != nil {
		return err
	}
	d, err := daemon.Start(ctx, daemon.Config{Bin: bin, TOML: s.cameras, Dir: work})
	if err != nil {
		return err
	}
	defer d.Stop()
	way, err := wayTo(d.URL, s)
	if err != nil {
		return err
	}
	defer func() {
		way.CloseClientConnections()
		way.Close()
	}()
	for _, size := range []struct {
		name          string
		width, height int64
		phone         bool
	}{{"desktop", 1280, 800, false}, {"phone", 390, 844, true}} {
		err := shoot(ctx, shot{
			url: way.URL + "/" + s.at, out: filepath.Join(dir, s.name+"-"+size.name+".png"), width: size.width, height: size.height,
			phone: size.phone, dark: s.dark, wait: s.wait, then: s.then, rest: s.rest,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wayTo is a way to the server that lets no WebRTC pass, or no MJPEG either.
func wayTo(target string, s state) (*httptest.Server, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1 // streams pass as they come
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.noRTC && strings.HasSuffix(r.URL.Path, "/whep"):
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client goes
			<-r.Context().Done()               // as a packet filter has it: no answer at all
		case s.noMJPEG && strings.HasSuffix(r.URL.Path, "/stream.mjpeg"):
			http.Error(w, "not through here", http.StatusBadGateway)
		default:
			proxy.ServeHTTP(w, r)
		}
	})), nil
}
