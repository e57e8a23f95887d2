//go:build vivid

package v4l2_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"yfv2d/pipeline"
)

const address = "127.0.0.1:8099"

// status is what is looked at of a camera in the API's answer.
type status struct {
	Name   string                      `json:"name"`
	State  string                      `json:"state"`
	Reason string                      `json:"reason"`
	Size   struct{ Width, Height int } `json:"size"`
	Ledger pipeline.Ledger             `json:"ledger"`
}

// daemon runs yfv2d with vivid's camera and a test pattern. OpenCV runs the network: on an emulated processor XNNPACK
// spends its trial's 30 s for nothing.
func daemon(t *testing.T, source string) *exec.Cmd {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.toml")
	text := fmt.Sprintf("[server]\nlisten = [%q]\n[webrtc]\nport = 0\n[detect]\nfps = 1\nengine = \"opencv\"\ninput = \"128x128\"\n[capture]\nretry_max = 2\n"+
		"[[camera]]\nname = \"door\"\nsource = %q\n[[camera]]\nname = \"pattern\"\nsource = \"test:?fps=10\"\n", address, source)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Getenv("YFV2D_BIN"), "run", "-c", config)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// ask gives the camera and the pattern as they are now; their ledgers balance.
func ask(t *testing.T) (door, pattern status) {
	t.Helper()
	resp, err := http.Get("http://" + address + "/api/cameras")
	if err != nil {
		return door, pattern // it is not up yet
	}
	defer resp.Body.Close()
	var all struct{ Cameras []status }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil || len(all.Cameras) != 2 {
		t.Fatalf("/api/cameras: %v, %d cameras", err, len(all.Cameras))
	}
	for _, c := range all.Cameras {
		if err := c.Ledger.Check(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	return all.Cameras[0], all.Cameras[1]
}

// awaitLive waits until the camera is live and has given so many frames more than before.
func awaitLive(t *testing.T, before status, frames uint64) (now status) {
	t.Helper()
	began := time.Now()
	await(t, "a live camera", func() bool {
		now, _ = ask(t)
		return now.State == "live" && now.Ledger.Captured >= before.Ledger.Captured+frames
	})
	t.Logf("live with %dx%d and %d frames after %v (the ledger: %d detected, %d not)", now.Size.Width, now.Size.Height, now.Ledger.Captured,
		time.Since(began).Round(100*time.Millisecond), now.Ledger.Detected, now.Ledger.DetectDropped.Sum())
	return now
}

// TestVividDaemon: yfv2d shows the camera live, says that it was unplugged, and has it back when it is plugged in, all while
// another camera goes on.
func TestVividDaemon(t *testing.T) {
	for _, c := range []struct{ name, source, size string }{
		{"yuyv 640x480", "v4l2:/dev/video0?size=640x480&format=yuyv", "640x480"},
		{"yuyv 1280x720 by its stable name", "v4l2:" + stable + "?size=1280x720&fps=10&format=yuyv", "1280x720"},
		{"nv12 320x180", "v4l2:" + stable + "?size=320x180&format=nv12", "320x180"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := daemon(t, c.source)
			door := awaitLive(t, status{}, 20)
			if size := fmt.Sprintf("%dx%d", door.Size.Width, door.Size.Height); size != c.size {
				t.Errorf("the size is %s, want %s", size, c.size)
			}
			await(t, "a detection", func() bool { door, _ = ask(t); return door.Ledger.Detected > 0 })
			for range 2 {
				door = unplugged(t)
				plugIn(t)
				door = awaitLive(t, door, 20)
			}
			_, pattern := ask(t)
			if pattern.State != "live" || pattern.Ledger.Captured == 0 {
				t.Errorf("the other camera: %+v", pattern)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("yfv2d ended with %v", err)
			}
		})
	}
}

// unplugged unplugs the camera, waits until the daemon says so, and sees that the other camera goes on.
func unplugged(t *testing.T) (door status) {
	t.Helper()
	_, before := ask(t)
	unplug(t)
	await(t, "the news that the camera was unplugged", func() bool {
		door, _ = ask(t)
		return door.State == "retrying" && strings.Contains(door.Reason, "no camera is plugged in")
	})
	t.Logf("unplugged: %s, %q", door.State, door.Reason)
	await(t, "a frame of the other camera", func() bool {
		_, now := ask(t)
		return now.Ledger.Captured > before.Ledger.Captured+5
	})
	return door
}

// TestVividDetect: the subcommand reads a camera as it reads a file, until it is told to stop.
func TestVividDetect(t *testing.T) {
	cmd := exec.Command(os.Getenv("YFV2D_BIN"), "detect", "--json", "--engine", "opencv", "--input", "128x128", "v4l2:0?size=320x180")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	for range 3 {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "{") {
			t.Fatalf("line %q, %v", lines.Text(), lines.Err())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
	t.Logf("ended with %v", cmd.Wait())
}
