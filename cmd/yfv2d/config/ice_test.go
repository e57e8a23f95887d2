package config

import (
	"slices"
	"strings"
	"testing"
)

func TestICEServers(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       ICEServer
		ok         bool
	}{
		{"stun", "stun:stun.example.org:3478", ICEServer{URL: "stun:stun.example.org:3478"}, true},
		{"stun without port", "stun:192.0.2.1", ICEServer{URL: "stun:192.0.2.1"}, true},
		{"stun over IPv6", "stun:[2001:db8::1]:3478", ICEServer{URL: "stun:[2001:db8::1]:3478"}, true},
		{"turn", "turn:u:p@t.example.org:3478", ICEServer{"turn:t.example.org:3478", "u", "p"}, true},
		{"turn over tcp", "turns:u:p@t.example.org:5349?transport=tcp", ICEServer{"turns:t.example.org:5349?transport=tcp", "u", "p"}, true},
		{"password with everything", `turn:u:p:@"?@t.example.org`, ICEServer{"turn:t.example.org", "u", `p:@"?`}, true},
		{"turn without user", "turn:t.example.org:3478", ICEServer{}, false},
		{"turn without password", "turn:u@t.example.org", ICEServer{}, false},
		{"password with a newline", "turn:u:p\n@t.example.org", ICEServer{}, false},
		{"other transport", "turn:u:p@t.example.org?transport=sctp", ICEServer{}, false},
		{"stun with a query", "stun:t.example.org?transport=udp", ICEServer{}, false},
		{"no scheme", "t.example.org:3478", ICEServer{}, false},
		{"http", "http://t.example.org", ICEServer{}, false},
		{"no host", "stun:", ICEServer{}, false},
		{"port 0", "stun:h:0", ICEServer{}, false},
		{"IPv6 without brackets", "stun:2001:db8::1", ICEServer{}, false},
		{"slashes", "stun://h:3478", ICEServer{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := parseICEServer(tc.text)
			if ok != tc.ok || ok && got != tc.want {
				t.Errorf("%+v %v, want %+v %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestWebRTCTable(t *testing.T) {
	text := "[webrtc]\nport = 9000\ntcp = false\ninterfaces = [\"eth*\"]\npublic_ips = [\"203.0.113.5\"]\n" +
		"ice_servers = [\"stun:s.example.org\", \"turn:u:p@t.example.org\"]\nmax_viewers = 5\nmax_viewers_per_camera = 2\nplayout_delay_max_ms = 0\n" + cam
	c, err := parse("c.toml", text, testHooks)
	if err != nil {
		t.Fatal(err)
	}
	w := c.WebRTC
	if w.Port != 9000 || w.TCP || !slices.Equal(w.Interfaces, []string{"eth*"}) || w.PublicIPs[0] != "203.0.113.5" ||
		w.MaxViewers != 5 || w.MaxViewersPerCamera != 2 || w.PlayoutDelayMaxMs != 0 {
		t.Errorf("%+v", w)
	}
	if got := w.Servers(); len(got) != 2 || got[1] != (ICEServer{"turn:t.example.org", "u", "p"}) {
		t.Errorf("servers %+v", got)
	}
}

// No fault tells a TURN server's password.
func TestICEServerFaultsKeepSecrets(t *testing.T) {
	for _, list := range []string{
		`["turn:user:hunter2@t.example.org", "turn:user:hunter2@t.example.org"]`, // twice
		`["turn:user:hunter2@"]`, `["trun:user:hunter2@t.example.org"]`, `"turn:user:hunter2@t.example.org"`,
		`[["turn:user:hunter2@t.example.org"]]`, `{ a = "turn:user:hunter2@t.example.org" }`,
	} {
		_, err := parse("c.toml", "[webrtc]\nice_servers = "+list+"\n"+cam, testHooks)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", list, err)
		}
	}
}
