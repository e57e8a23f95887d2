package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/certificate"
)

func TestTLSForms(t *testing.T) {
	dir := t.TempDir()
	pair := filepath.Join(dir, "pair.pem")
	if _, _, err := certificate.SelfSigned(pair); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CERT_DIR", dir)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for _, tt := range []struct{ name, text, mode, fault string }{
		{"nothing", "", tlsOff, ""},
		{"off", `tls = "off"`, tlsOff, ""},
		{"self-signed", `tls = "self-signed"`, tlsSelfSigned, ""},
		{"files", `tls = { cert = "pair.pem", key = "` + pair + `" }`, tlsFiles, ""},
		{"files in a table of their own", "[server.tls]\ncert = \"pair.pem\"\nkey = \"pair.pem\"", tlsFiles, ""},
		{"files by reference", `tls = { cert = "${env:CERT_DIR}/pair.pem", key = "${env:CREDENTIALS_DIRECTORY}/pair.pem" }`, tlsFiles, ""},
		{"misspelt", `tls = "selfsigned"`, "", `2: server.tls: "selfsigned" is not one of its values (allowed: ` + tlsWant + `), did you mean "self-signed"?`},
		{"true", `tls = true`, "", `2: server.tls: want a text or a table and not true (allowed: ` + tlsWant + `)`},
		{"no key", `tls = { cert = "pair.pem" }`, "", `2: server.tls.key: is missing (allowed: ` + tlsWant + `)`},
		{"misspelt file", `tls = { certs = "pair.pem", key = "pair.pem" }`, "", `2: server.tls.cert: is missing (allowed: ` + tlsWant + ")\n" + `2: server.tls.certs: unknown key, did you mean "server.tls.cert"?`},
		{"a number", `tls = { cert = 1, key = "pair.pem" }`, "", `2: server.tls.cert: want a path in quotes and not the number 1 (allowed: ` + tlsWant + `)`},
		{"no such file", `tls = { cert = "none.pem", key = "pair.pem" }`, "", `2: server.tls: cannot be used: stat ` + dir + `/none.pem: no such file or directory (allowed: a certificate and its key in PEM that the daemon's user may read)`},
		{"no such file by reference", `tls = { cert = "${env:CERT_DIR}/none.pem", key = "pair.pem" }`, "", `2: server.tls: cannot be used: stat ${env:CERT_DIR}/none.pem: no such file or directory (allowed: a certificate and its key in PEM that the daemon's user may read)`},
		{"no certificate", `tls = { cert = "c.toml", key = "c.toml" }`, "", `2: server.tls: cannot be used: certificate ` + dir + `/c.toml with key ` + dir + `/c.toml: tls: failed to find any PEM data in certificate input (allowed: a certificate and its key in PEM that the daemon's user may read)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, text := filepath.Join(dir, "c.toml"), "[server]\n"+tt.text+"\n"
			if strings.HasPrefix(tt.text, "[") {
				text = tt.text + "\n"
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(path, testHooks)
			if tt.fault == "" {
				if err != nil || c.Server.TLS.Mode != tt.mode {
					t.Fatalf("%+v, %v", c, err)
				}
				if tt.mode == tlsFiles && (c.Server.TLS.Cert != pair || c.Server.TLS.Key != pair) {
					t.Errorf("files are %+v", c.Server.TLS)
				}
				return
			}
			var want []string
			for _, line := range strings.Split(tt.fault, "\n") {
				want = append(want, path+":"+line)
			}
			if err == nil || err.Error() != strings.Join(want, "\n") {
				t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
			}
		})
	}
}

func TestProxiesAndBasePath(t *testing.T) {
	c, err := parse("c.toml", "[server]\ntrusted_proxies = [\"127.0.0.1\", \"10.1.2.3/8\", \"fd00::/8\", \"::1\", \"::ffff:10.0.0.9\"]\nbase_path = \"/a/cams\"\n", testHooks)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Server.Proxies()); got != "[127.0.0.1/32 10.0.0.0/8 fd00::/8 ::1/128 10.0.0.9/32]" {
		t.Errorf("proxies are %s", got)
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "0.0.0.0/0", "::/0", "fe80::1%eth0", "proxy.lan", "127.0.0.1:80"} {
		if _, err := parse("c.toml", fmt.Sprintf("[server]\ntrusted_proxies = [%q]\n", bad), testHooks); err == nil {
			t.Errorf("proxy %q is taken", bad)
		}
	}
	for path, ok := range map[string]bool{"": true, "/": true, "/x": true, "/x/": true, "/x.y/z_1": true, "x": false, "//": false, "/..": false, "/.": false, "/a b": false, "/a?b": false, "/ä": false, "/{x}": false} {
		_, err := parse("c.toml", fmt.Sprintf("[server]\nbase_path = %q\n", path), testHooks)
		if (err == nil) != ok {
			t.Errorf("base path %q: %v", path, err)
		}
	}
}
