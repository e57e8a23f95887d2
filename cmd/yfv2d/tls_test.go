package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"yfv2d/certificate"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/scripts/viewer"
)

// serveFile runs the real daemon over a configuration file and keeps its log.
func serveFile(t *testing.T, path string, log io.Writer) *served {
	t.Helper()
	read := func() (*config.Config, error) { return loadConfig(path, configHooks()) }
	cfg, err := read()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, read, newLogger(cfg.Log, log))
	if err != nil {
		t.Fatal(err)
	}
	return serveDaemon(t, d)
}

// pinned is a client that takes the one certificate of this fingerprint.
func pinned(t *testing.T, fingerprint string) *http.Client {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the fingerprint is checked instead
		VerifyConnection: func(s tls.ConnectionState) error {
			if got := certificate.Fingerprint(s.PeerCertificates[0].Raw); got != fingerprint {
				return errors.New("another certificate: " + got)
			}
			return nil
		},
	}}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

const tlsHead = "[server]\nlisten = \"127.0.0.1:0\"\n%s\n[webrtc]\nport = 0\n[log]\nformat = \"json\"\n"

func TestSelfSignedDaemon(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	path := writeConfig(t, fmt.Sprintf(tlsHead, `tls = "self-signed"`)+pattern("a", ""))
	if _, out, _ := runCLI(t, "check", "-c", path); !strings.Contains(out, "makes it at its first start") {
		t.Errorf("check before the first start says %s", out)
	}
	var log heard
	s := serveFile(t, path, &log)
	fingerprint := s.d.certificate.Info().Fingerprint
	if !strings.Contains(log.String(), fingerprint) || !strings.HasPrefix(s.url, "https://") {
		t.Errorf("URL %s; log %s", s.url, log.String())
	}
	for _, args := range [][]string{{"check", "-c", path}, {"doctor", "-c", path}} {
		if _, out, _ := runCLI(t, args...); !strings.Contains(out, fingerprint) {
			t.Errorf("%s does not tell the fingerprint: %s", args[0], out)
		}
	}
	client := pinned(t, fingerprint)
	res, err := client.Get(s.url + "api/version")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.Proto != "HTTP/2.0" || !strings.Contains(string(body), fingerprint) || res.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%s %v %s", res.Proto, res.Header, body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	v, err := viewer.WatchBy(ctx, client, s.url+"api/cameras/a/whep")
	if err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "pictures come", func() bool { return v.Counts().Frames > 20 })
	if err := v.Leave(ctx); err != nil {
		t.Error(err)
	}
	s.stop()
	client.CloseIdleConnections()

	again := serveFile(t, path, io.Discard)
	if got := again.d.certificate.Info().Fingerprint; got != fingerprint {
		t.Error("a new certificate at the next start")
	}
	again.stop()
	if err := os.WriteFile(filepath.Join(state, "certificate.pem"), nil, 0o600); err != nil { // the power went
		t.Fatal(err)
	}
	var last heard
	replaced := serveFile(t, path, &last)
	replaced.stop()
	if strings.Count(last.String(), "browsers ask once more") != 1 {
		t.Errorf("log %s", last.String())
	}
}

func TestCertificateFilesDaemon(t *testing.T) {
	dir := t.TempDir()
	pair := filepath.Join(dir, "pair.pem")
	one, _, err := certificate.SelfSigned(pair)
	if err != nil {
		t.Fatal(err)
	}
	path := writeConfig(t, fmt.Sprintf(tlsHead, fmt.Sprintf("tls = { cert = %q, key = %q }", pair, pair))+pattern("a", ""))
	var log heard
	s := serveFile(t, path, &log)
	get := func(fingerprint string) string {
		client := pinned(t, fingerprint)
		res, err := client.Get(s.url + "healthz")
		if err != nil {
			return err.Error()
		}
		_ = res.Body.Close()
		client.CloseIdleConnections()
		return res.Header.Get("Strict-Transport-Security")
	}
	if got := get(one.Info().Fingerprint); got != "max-age=2592000" {
		t.Errorf("HSTS is %q", got)
	}
	next := filepath.Join(dir, "next.pem")
	two, _, err := certificate.SelfSigned(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, pair); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the renewed certificate is shown", func() bool { return get(two.Info().Fingerprint) == "max-age=2592000" })
	if !strings.Contains(log.String(), two.Info().Fingerprint) {
		t.Error("the log does not tell of the renewal")
	}

	s.rewrite(pattern("a", ""))
	res, err := pinned(t, two.Info().Fingerprint).Post(s.url+"api/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if !strings.Contains(string(body), `"needs_restart":["log","server"]`) {
		t.Errorf("a reload with another tls says %s", body)
	}
	s.stop()
}

// TestBrowserTLS opens the page by https, plain HTTP leading there: picture by WHEP, boxes by WebSocket.
func TestBrowserTLS(t *testing.T) {
	b := openBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	var log heard
	s := serveFile(t, writeConfig(t, fmt.Sprintf(tlsHead, "tls = \"self-signed\"\nbase_path = \"/cams\"")+demo(t)), &log)
	if !strings.HasSuffix(s.url, "/cams/") {
		t.Errorf("URL is %s", s.url)
	}
	b.open(strings.Replace(s.url, "https://", "http://", 1), "demo")
	var at string
	b.eval("location.href", &at)
	if at != s.url {
		t.Errorf("the page is at %s, want %s", at, s.url)
	}
	b.waitFrames("demo", 30)
	b.waitFor("boxes are drawn", inked("demo")+" > 200")
	b.leave()
}

// The warning that passwords can be read on the way: with a login, from elsewhere, without TLS here or at a proxy.
func TestReadable(t *testing.T) {
	for _, tt := range []struct {
		name, keys string
		want       bool
	}{
		{"this machine only", `listen = "127.0.0.1:1"`, false},
		{"this machine only, with a login", "listen = \"127.0.0.1:1\"\nauth = \"on\"", false},
		{"the network", `listen = "0.0.0.0:1"`, true},
		{"the network by TLS", "listen = \"0.0.0.0:1\"\ntls = \"self-signed\"", false},
		{"a proxy", "listen = \"0.0.0.0:1\"\ntrusted_proxies = [\"10.0.0.1\"]", false},
		{"open to all", "listen = \"0.0.0.0:1\"\nallow_open = true", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := config.Load(writeConfig(t, "[server]\n"+tt.keys+"\n"), config.Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			if got := readable(cfg.Server); got != tt.want {
				t.Errorf("readable: %t", got)
			}
		})
	}
	// TLS alone lets nobody in without a login.
	for _, tls := range []string{`"off"`, `"self-signed"`} {
		_, err := config.Load(writeConfig(t, "[server]\nlisten = \"0.0.0.0:1\"\nauth = \"off\"\ntls = "+tls+"\n"), config.Hooks{})
		if err == nil || !strings.Contains(err.Error(), "lets other machines in") {
			t.Errorf("tls = %s, auth off: %v", tls, err)
		}
	}
}
