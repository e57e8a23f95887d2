package rtsp

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	rows := []struct {
		name, spec       string
		url              string
		user, pass, show string
	}{
		{"plain", "rtsp://cam/stream", "rtsp://cam/stream", "", "", "rtsp://cam/stream"},
		{"no path", "rtsp://cam", "rtsp://cam/", "", "", "rtsp://cam"},
		{"port, no path", "rtsp://cam:8554", "rtsp://cam:8554/", "", "", "rtsp://cam:8554"},
		{"query without path", "rtsp://cam?channel=1", "rtsp://cam/?channel=1", "", "", "rtsp://cam/?channel=1"},
		{"TLS, upper case", "RTSPS://cam/a", "rtsps://cam/a", "", "", "rtsps://cam/a"},
		{"user and password", "rtsp://admin:secret@192.168.1.5:554/Streaming/Channels/101", "rtsp://192.168.1.5:554/Streaming/Channels/101",
			"admin", "secret", "rtsp://192.168.1.5:554/Streaming/Channels/101"},
		{"user alone", "rtsp://admin@cam/a", "rtsp://cam/a", "admin", "", "rtsp://cam/a"},
		{"empty password", "rtsp://admin:@cam/a", "rtsp://cam/a", "admin", "", "rtsp://cam/a"},
		{"@ in the password", "rtsp://admin:p@ss@cam/a", "rtsp://cam/a", "admin", "p@ss", "rtsp://cam/a"},
		{": in the password", "rtsp://admin:p:ss@cam/a", "rtsp://cam/a", "admin", "p:ss", "rtsp://cam/a"},
		{"/ in the password", "rtsp://admin:p/ss@cam/a", "rtsp://cam/a", "admin", "p/ss", "rtsp://cam/a"},
		{"digits and / in the password", "rtsp://admin:12/34@cam/a", "rtsp://cam/a", "admin", "12/34", "rtsp://cam/a"},
		{"# and ? in the password", "rtsp://admin:p#s?s@cam/a", "rtsp://cam/a", "admin", "p#s?s", "rtsp://cam/a"},
		{"% in the password", "rtsp://admin:100%@cam/a", "rtsp://cam/a", "admin", "100%", "rtsp://cam/a"},
		{"% and letters", "rtsp://admin:5%zz%41@cam/a", "rtsp://cam/a", "admin", "5%zz%41", "rtsp://cam/a"},
		{"all of them", "rtsp://admin:@:/#%?@@cam:99/a", "rtsp://cam:99/a", "admin", "@:/#%?@", "rtsp://cam:99/a"},
		{"percent-encoded", "rtsp://ad%40min:p%40s%3As%2F%25@cam/a", "rtsp://cam/a", "ad@min", "p@s:s/%", "rtsp://cam/a"},
		{"+ stays", "rtsp://admin:a+b%20c@cam/a", "rtsp://cam/a", "admin", "a+b c", "rtsp://cam/a"},
		{"umlaut", "rtsp://admin:schlüssel@cam/tür", "rtsp://cam/t%C3%BCr", "admin", "schlüssel", "rtsp://cam/t%C3%BCr"},
		{"@ in the path", "rtsp://cam/me@home", "rtsp://cam/me@home", "", "", "rtsp://cam/me%40home"},
		{"IPv6", "rtsp://[fe80::1]/a", "rtsp://[fe80::1]/a", "", "", "rtsp://[fe80::1]/a"},
		{"IPv6 with zone and port", "rtsp://u:p@[fe80::1%eth0]:554/a", "rtsp://[fe80::1%25eth0]:554/a", "u", "p", "rtsp://[fe80::1%eth0]:554/a"},
		{"password in the path", "rtsp://cam/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream",
			"rtsp://cam/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream", "", "",
			"rtsp://cam/user=***_password=***_channel=1_stream=0.sdp?real_stream"},
		{"password in the query", "rtsp://cam/live?user=a&pwd=hidden&ch=1", "rtsp://cam/live?user=a&pwd=hidden&ch=1", "", "",
			"rtsp://cam/live?user=***&pwd=***&ch=1"},
		{"query that ends at once", "rtsp://cam/a.sdp?", "rtsp://cam/a.sdp?", "", "", "rtsp://cam/a.sdp?"},
		{"space, % and # in the path", "rtsp://cam/my cam/100%/a#b", "rtsp://cam/my%20cam/100%25/a%23b", "", "", "rtsp://cam/my%20cam/100%25/a%23b"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c, err := Parse(r.spec)
			if err != nil {
				t.Fatal(err)
			}
			u, err := c.url()
			if err != nil || u.String() != r.url {
				t.Errorf("address %v, %v; want %s", u, err, r.url)
			}
			if c.user != r.user || c.pass != r.pass || c.login != (r.user != "") {
				t.Errorf("user %q, password %q, want %q, %q", c.user, c.pass, r.user, r.pass)
			}
			for _, shown := range []string{c.String(), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v", c, c, &c)} {
				if !strings.Contains(shown, r.show) {
					t.Errorf("it is shown as %s, want %s", shown, r.show)
				}
				if r.pass != "" && len(r.pass) > 2 && strings.Contains(shown, r.pass) {
					t.Errorf("%s shows the password", shown)
				}
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	rows := []struct{ name, spec, says string }{
		{"another scheme", "http://cam/a", "want rtsp://USER:PASSWORD@HOST:PORT/PATH"},
		{"no slashes", "rtsp:cam/a", "want rtsp://"},
		{"nothing", "", "want rtsp://"},
		{"no host", "rtsp:///a", "the host is missing"},
		{"no host behind the password", "rtsp://admin:hidden@/a", "the host is missing"},
		{"no user", "rtsp://:hidden@cam/a", "the user name is empty"},
		{"port 0", "rtsp://cam:0/a", `port "0": want a number from 1 to 65535`},
		{"port too large", "rtsp://cam:65536/a", "want a number from 1 to 65535"},
		{"port a word", "rtsp://admin:hidden@cam:rtsp/a", `port "rtsp"`},
		{"port empty", "rtsp://cam:/a", `port ""`},
		{"IPv6 without brackets", "rtsp://fe80::1/a", "stands in brackets"},
		{"IPv6 without brackets, port", "rtsp://fe80::1:xx/a", "stands in brackets"},
		{"no IPv6", "rtsp://[cam]/a", "no IPv6 address"},
		{"half a bracket", "rtsp://[fe80::1/a", "no IPv6 address"},
		{"odd host", "rtsp://c am/a", "want a name or an address"},
		{"line break", "rtsp://admin:hidden@cam/a\nb", "control characters"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			_, err := Parse(r.spec)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Fatalf("error %v, want %q", err, r.says)
			}
			if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q shows a password or has two lines", err)
			}
		})
	}
}

func TestParseTransport(t *testing.T) {
	for s, want := range map[string]Transport{"": TCP, "tcp": TCP, "udp": UDP, "auto": Auto} {
		if got, err := ParseTransport(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := ParseTransport("multicast"); err == nil || !strings.Contains(err.Error(), "want tcp, udp or auto") {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"rtsp://cam", "rtsp://a:b@[fe80::1%25eth0]:554/x?y#z", "rtsps://u:p@s:/#%@h:1/%zz", "rtsp://u:secretpw@x y/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		c, err := Parse(spec)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error of more than one line: %q", err)
			}
			return
		}
		u, err := c.url()
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q gives address %v, %v", spec, u, err)
		}
		if again, err := Parse(u.String()); !strings.Contains(u.String(), "@") && (err != nil || again.path != c.path) {
			t.Errorf("%q gives %s, which gives %v, %v", spec, u, again, err)
		}
	})
}
