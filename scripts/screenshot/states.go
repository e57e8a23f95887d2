package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
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
}

const playing = `document.querySelectorAll('.card.playing').length >= %d && [...document.querySelectorAll('.card.playing:not([hidden]) video')].every((v) => v.currentTime > 4)`

// states lists what the page can show. demo is the clip that the project ships.
func states(demo string) []state {
	clip := func(name string) string {
		return fmt.Sprintf("[[camera]]\nname = %q\nsource = \"file:%s\"\nloop = true\n", name, demo)
	}
	down := "[[camera]]\nname = \"garage\"\nsource = \"rtsp://127.0.0.1:9/stream\"\n"
	const remember = `localStorage.setItem('yfv2d.view', JSON.stringify(%s))`
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
	details := `document.querySelector('.details-button').click()`
	_ = remember
	return []state{
		{name: "live", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1)},
		{name: "details", cameras: clip("front-door") + down, at: "#/camera/front-door", wait: fmt.Sprintf(playing, 1), then: details, rest: 2 * time.Second},
		{name: "dark", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), dark: true},
		{name: "view", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), then: `document.getElementById('view-button').click()`, rest: time.Second},
		{name: "help", cameras: clip("front-door"), wait: fmt.Sprintf(playing, 1), then: `document.getElementById('help-button').click()`, rest: time.Second},
		{name: "connecting", cameras: clip("front-door"), noRTC: true, wait: `document.querySelector('.veil-title')?.textContent`, rest: 2 * time.Second},
		{name: "fallback", cameras: clip("front-door"), noRTC: true, wait: `document.querySelector('.card.substitute')`, rest: 3 * time.Second},
		{name: "down", cameras: down, wait: `document.querySelector('.card.down')`, rest: 2 * time.Second},
		{name: "none", wait: `!document.getElementById('empty').hidden`, rest: time.Second},
		{name: "nine", cameras: nine.String(), wait: `document.querySelectorAll('.card.playing').length >= (innerWidth > 600 ? 6 : 2) && document.querySelector('.card.down')`, rest: 4 * time.Second},
		{name: "nine-dark", cameras: nine.String(), dark: true, wait: `document.querySelectorAll('.card.playing').length >= (innerWidth > 600 ? 6 : 2) && document.querySelector('.card.down')`, rest: 4 * time.Second},
	}
}

// shootStates takes every state's picture in both sizes into a folder.
func shootStates(bin, dir, only string) error {
	demo, err := filepath.Abs("testdata/videos/demo-640x480.mp4")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return withBrowser(func(ctx context.Context) error {
		for _, s := range states(demo) {
			if !strings.Contains(s.name, only) {
				continue
			}
			if err := shootState(ctx, bin, dir, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		return nil
	})
}

func shootState(ctx context.Context, bin, dir string, s state) error {
	d, err := startDaemon(bin, s.cameras)
	if err != nil {
		return err
	}
	defer d.stop()
	target := d.url
	if s.noRTC {
		proxy := withoutWebRTC(d.url)
		defer proxy.Close()
		target = proxy.URL + "/"
	}
	for _, size := range []struct {
		name          string
		width, height int64
		phone         bool
	}{{"desktop", 1280, 800, false}, {"phone", 390, 844, true}} {
		err := shoot(ctx, shot{
			url: target + s.at, out: filepath.Join(dir, s.name+"-"+size.name+".png"), width: size.width, height: size.height,
			phone: size.phone, dark: s.dark, wait: s.wait, then: s.then, rest: s.rest,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutWebRTC is a way to the server that refuses WebRTC and lets all else pass.
func withoutWebRTC(target string) *httptest.Server {
	to, err := url.Parse(target)
	if err != nil {
		panic(err) // made by us
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/whep") {
			<-r.Context().Done() // as a packet filter has it: no answer at all
			return
		}
		r.Host = to.Host
		if r.Header.Get("Origin") != "" {
			r.Header.Set("Origin", strings.TrimSuffix(target, "/"))
		}
		proxy.ServeHTTP(w, r)
	}))
}

// daemon is a yfv2d that runs.
type daemon struct {
	url string
	cmd *exec.Cmd
	dir string
}

// startDaemon runs the daemon over these cameras and waits until it answers.
func startDaemon(bin, cameras string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "yfv2d-screenshot")
	if err != nil {
		return nil, err
	}
	const listen = "127.0.0.1:18099"
	d := &daemon{url: "http://" + listen + "/", dir: dir}
	config := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("[server]\nlisten = [%q]\n\n[webrtc]\nport = 0\n\n%s", listen, cameras)), 0o600); err != nil {
		return nil, err
	}
	d.cmd = exec.Command(bin, "run", "-c", config)
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for give := time.Now().Add(30 * time.Second); time.Now().Before(give); time.Sleep(100 * time.Millisecond) {
		if r, err := http.Get(d.url + "healthz"); err == nil {
			return d, r.Body.Close()
		}
	}
	d.stop()
	return nil, errors.New("the daemon does not answer")
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
	_ = os.RemoveAll(d.dir)
}
