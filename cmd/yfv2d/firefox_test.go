package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// firefoxPrefs keep Firefox from asking, updating and telling. Without the plugin that it would download, Debian's Firefox
// decodes no H.264 from WebRTC: this is the test of VP8.
const firefoxPrefs = `
user_pref("media.autoplay.default", 0);
user_pref("media.gmp-manager.url", "");
user_pref("media.gmp-provider.enabled", false);
user_pref("media.gmp-gmpopenh264.enabled", false);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.safebrowsing.downloads.remote.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.topsites.contile.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("services.settings.server", "");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
`

// firefoxReport is what the page's self-test tells, as far as it is of use here.
type firefoxReport struct {
	ID        string  `json:"id"`
	Done      bool    `json:"done"`
	UserAgent string  `json:"user_agent"`
	Transport string  `json:"transport"`
	Codec     string  `json:"codec"`
	Seconds   float64 `json:"seconds"`
	Frames    int     `json:"frames"`
	Latency   struct {
		P50 float64 `json:"p50"`
		P95 float64 `json:"p95"`
	} `json:"latency_ms"`
	Aligned *float64 `json:"aligned"`
	BoxIoU  *struct {
		P50   float64 `json:"p50"`
		Count int     `json:"count"`
	} `json:"box_iou"`
}

// TestFirefox lets the page measure itself in Firefox, which is told what to open and reports by itself: no driver is needed.
func TestFirefox(t *testing.T) {
	t.Parallel() // it mostly waits
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		t.Fatal("no firefox-esr: make test installs it")
	}
	s := serve(t, "127.0.0.1:0", "[[camera]]\nname = \"pattern\"\nsource = \"test:?size=640x480&fps=30&objects=2&truth=1\"\n")
	startFirefox(t, path, s.url+"/?selftest=firefox&camera=pattern&seconds=8")
	var r firefoxReport
	waitUntil(t, "Firefox has reported", func() bool {
		found := selfTestReport(t, s.url, "firefox", &r)
		return found && r.Done
	})
	t.Logf("%s: %s %s, %d frames in %.1f s, latency p50 %.0f ms, p95 %.0f ms", r.UserAgent, r.Transport, r.Codec, r.Frames, r.Seconds, r.Latency.P50, r.Latency.P95)
	if r.Transport != "webrtc" || r.Codec != "VP8" {
		t.Errorf("shown by %s with %s, want webrtc with VP8", r.Transport, r.Codec)
	}
	if r.Frames == 0 || r.Latency.P50 <= 0 || r.Latency.P95 < r.Latency.P50 {
		t.Errorf("%d frames, latency p50 %g ms, p95 %g ms", r.Frames, r.Latency.P50, r.Latency.P95)
	}
	if r.Aligned == nil || r.BoxIoU == nil || r.BoxIoU.Count == 0 {
		t.Fatalf("no box was compared with its object: aligned %v, overlap %v", r.Aligned, r.BoxIoU)
	}
	t.Logf("boxes: %.1f %% aligned, overlap with the object p50 %.2f of %d", *r.Aligned*100, r.BoxIoU.P50, r.BoxIoU.Count)
	if r.BoxIoU.P50 < 0.7 {
		t.Errorf("boxes overlap their objects by %.2f only", r.BoxIoU.P50)
	}
}

// startFirefox opens a page without a window, in a profile of its own. The test's end ends it.
func startFirefox(t *testing.T, path, url string) {
	t.Helper()
	home, err := os.MkdirTemp("", "yfv2d-firefox")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // its children write for a moment after it has ended
		waitUntil(t, "the browser's profile is removed", func() bool { return os.RemoveAll(home) == nil })
	})
	if err := os.WriteFile(filepath.Join(home, "user.js"), []byte(firefoxPrefs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-remote", "--profile", home, url)
	cmd.Env = append(os.Environ(), "HOME="+home, "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children can be ended with it
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it keeps nothing that is worth a good end
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Firefox says:\n%s", strings.TrimSpace(said.String()))
		}
	})
}

// selfTestReport reads the newest report of that id into out, if there is one.
func selfTestReport(t *testing.T, base, id string, out *firefoxReport) bool {
	t.Helper()
	resp, err := http.Get(base + "/api/selftest")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all struct{ Reports []json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(fmt.Errorf("read the self-test's reports: %w", err))
	}
	for _, raw := range all.Reports {
		*out = firefoxReport{}
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatalf("read a report: %v: %s", err, raw)
		}
		if out.ID == id {
			return true
		}
	}
	return false
}
