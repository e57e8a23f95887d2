package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"yfv2d/stream"
)

// TestPicturePortTaken: a port that another program has is one clear line, and no retry can mend it.
func TestPicturePortTaken(t *testing.T) {
	udp, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for _, tc := range []struct {
		name string
		port int
	}{
		{"UDP", udp.LocalAddr().(*net.UDPAddr).Port},
		{"TCP", tcp.Addr().(*net.TCPAddr).Port},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.toml")
			text := fmt.Sprintf("[server]\nlisten = [\"127.0.0.1:0\"]\n[webrtc]\nport = %d\n%s", tc.port, pattern("a", ""))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := runCLI(t, "run", "-c", path)
			if code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			checkErrorLine(t, stderr, "webrtc.port")
			if !strings.Contains(stderr, tc.name) {
				t.Errorf("%q does not say %s", stderr, tc.name)
			}
		})
	}
}

// TestICEServersReachThePage: what the configuration lists is told to pages.
func TestICEServersReachThePage(t *testing.T) {
	cfg := testConfig(t, "127.0.0.1:0", pattern("a", ""))
	cfg.WebRTC.ICEServers = []string{"stun:s.example.org", "turn:u:p@t.example.org:3478?transport=udp"}
	d, err := newDaemon(cfg, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	s := serveDaemon(t, d)
	defer s.stop()
	resp, err := http.Get(s.url + "api/cameras")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		ICE []stream.ICEServer `json:"ice_servers"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := `[{[stun:s.example.org]  } {[turn:t.example.org:3478?transport=udp] u p}]`
	if fmt.Sprint(got.ICE) != want {
		t.Errorf("%v, want %s", got.ICE, want)
	}
}
