package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// credentials makes a folder of them and names it to the process. Values are written with a line break behind.
func credentials(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	return dir
}

func sourceLine(s string) string { return "[[camera]]\nname = \"a\"\nsource = '" + s + "'\n" }

func TestReferences(t *testing.T) {
	credentials(t, map[string]string{
		"door": "p@ss:w/rd?#%&\n", "plain": "hunter22\r\n", "bare": "hunter33", "url": "rtsp://me:pw@10.0.0.9/1\n", "d.o-t_9": "x123\n",
	})
	t.Setenv("CAM_HOST", "cam7.lan")
	t.Setenv("CAM_PATH", "live/a@b")
	t.Setenv("IPV6", "[fe80::1]")
	for _, tt := range []struct{ name, source, want, secrets string }{
		{"no reference", "rtsp://me:pw@h/1", "rtsp://me:pw@h/1", ""},
		{"dollar", "rtsp://me:p$w$@h/$1", "rtsp://me:p$w$@h/$1", ""},
		{"literal", "file:$${cred:x}", "file:${cred:x}", ""},
		{"literal twice", "file:$${$${x", "file:${${x", ""},
		{"password", "rtsp://me:${cred:door}@h/1", "rtsp://me:p%40ss%3Aw%2Frd%3F%23%25%26@h/1", "p@ss:w/rd?#%&"},
		{"line break of Windows", "rtsp://me:${cred:plain}@h/1", "rtsp://me:hunter22@h/1", "hunter22"},
		{"no line break", "rtsp://me:${cred:bare}@h/1", "rtsp://me:hunter33@h/1", "hunter33"},
		{"name of many signs", "rtsp://me:${cred:d.o-t_9}@h/1", "rtsp://me:x123@h/1", "x123"},
		{"whole address", "${cred:url}", "rtsp://me:pw@10.0.0.9/1", "rtsp://me:pw@10.0.0.9/1"},
		{"host and path", "rtsp://${env:CAM_HOST}:554/${env:CAM_PATH}", "rtsp://cam7.lan:554/live/a%40b", "cam7.lan live/a@b"},
		{"address of IPv6", "rtsp://u:${cred:bare}@${env:IPV6}/1", "rtsp://u:hunter33@[fe80::1]/1", "[fe80::1] hunter33"},
		{"literal @ before the reference", "http://u:a@b${cred:bare}@h/", "http://u:a@bhunter33@h/", "hunter33"},
		{"token in the query", "http://h/snap?token=${cred:door}", "http://h/snap?token=p%40ss:w/rd?#%&", "p@ss:w/rd?#%&"},
		{"a file", "file:/x/${env:CAM_PATH}", "file:/x/live/a@b", "live/a@b"},
		{"two in a row", "rtsp://${cred:plain}:${cred:bare}${cred:bare}@h/", "rtsp://hunter22:hunter33hunter33@h/", "hunter22 hunter33"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse("c.toml", sourceLine(tt.source), Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Cameras[0].Source; got != tt.want {
				t.Errorf("source is %s, want %s", got, tt.want)
			}
			if got := c.Cameras[0].Shown; got != tt.source && tt.secrets != "" {
				t.Errorf("shown is %s, want %s", got, tt.source)
			}
			want := map[string]bool{}
			for _, s := range strings.Fields(tt.secrets) {
				want[s] = true
			}
			got := map[string]bool{}
			for s := range c.Secrets {
				got[s] = true
			}
			if !maps.Equal(got, want) {
				t.Errorf("secrets are %v, want %v", got, want)
			}
		})
	}
}

func TestReferencesEverywhere(t *testing.T) {
	credentials(t, map[string]string{"turn": "se@cr:et", "print": strings.Repeat("ab", 32)})
	t.Setenv("LEVEL", "debug")
	t.Setenv("ADDR", "127.0.0.1:9")
	t.Setenv("CLASS", "car")
	c, err := parse("c.toml", "[log]\nlevel = \"${env:LEVEL}\"\n[server]\nlisten = \"${env:ADDR}\"\nhosts = [\"a.lan\", \"${env:LEVEL}.lan\"]\n"+
		"[detect]\nclasses = [\"${env:CLASS}\"]\n[webrtc]\nice_servers = [\"turn:me:${cred:turn}@h:3478\"]\n"+cam+"tls_fingerprint = \"${cred:print}\"\n", testHooks)
	if err != nil {
		t.Fatal(err)
	}
	ice := c.WebRTC.Servers()[0]
	for name, ok := range map[string]bool{
		"log.level": c.Log.Level == "debug", "server.listen": c.Server.Listen[0] == "127.0.0.1:9", "server.hosts": c.Server.Hosts[1] == "debug.lan",
		"detect.classes": c.Detect.Classes[0] == "car", "ice": ice.Credential == "se@cr:et" && ice.Username == "me",
		"camera.tls_fingerprint": c.Cameras[0].TLSFingerprint[0] == 0xab,
	} {
		if !ok {
			t.Errorf("%s has another value", name)
		}
	}
	if _, ok := c.Secrets["debug"]; ok {
		t.Error("a log level is no secret")
	}
}

func TestBadReferences(t *testing.T) {
	dir := credentials(t, map[string]string{"empty": "\n", "lines": "a\nb\n", "binary": "\xff\xfe12", "large": strings.Repeat("x", maxSecret+1), "exec": "exec:cat secret-file", "pw": "hunter22"})
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(filepath.Dir(dir), "outside")
	if err := os.WriteFile(outside, []byte("hunter22"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY", "")
	t.Setenv("BAD_PORT", "hunter22:hunter22:x")
	const forms = " (allowed: ${cred:NAME}, ${env:NAME}, or $${ for a plain ${)"
	for _, tt := range []struct{ name, text, want string }{
		{"no such credential", sourceLine("rtsp://a:${cred:none}@h/"), "3: camera.source: there is no credential none in " + dir + "; add LoadCredential=none:FILE to the service and start it again"},
		{"no such variable", sourceLine("rtsp://a:${env:NONE_SUCH}@h/"), "3: camera.source: the environment has no NONE_SUCH; set it for the daemon (in a unit: Environment= or EnvironmentFile=)"},
		{"empty credential", sourceLine("file:${cred:empty}"), "3: camera.source: what ${cred:empty} stands for is empty"},
		{"empty variable", sourceLine("file:${env:EMPTY}"), "3: camera.source: what ${env:EMPTY} stands for is empty"},
		{"two lines", sourceLine("file:${cred:lines}"), "3: camera.source: what ${cred:lines} stands for holds a line break or another sign that is no text"},
		{"binary", sourceLine("file:${cred:binary}"), "3: camera.source: what ${cred:binary} stands for holds a line break or another sign that is no text"},
		{"too large", sourceLine("file:${cred:large}"), "3: camera.source: what ${cred:large} stands for is longer than 8 kB"},
		{"a folder", sourceLine("file:${cred:folder}"), "3: camera.source: the credential folder is no file"},
		{"parent folder", sourceLine("file:${cred:../outside}"), "3: camera.source: ${cred:...} holds no valid name" + forms},
		{"dots", sourceLine("file:${cred:..}"), "3: camera.source: ${cred:...} holds no valid name" + forms},
		{"absolute", sourceLine("file:${cred:/etc/passwd}"), "3: camera.source: ${cred:...} holds no valid name" + forms},
		{"no name", sourceLine("file:${cred:}"), "3: camera.source: ${cred:...} holds no valid name" + forms},
		{"bad variable", sourceLine("file:${env:A B}"), "3: camera.source: ${env:...} holds no valid name" + forms},
		{"other kind", sourceLine("file:${file:x}"), "3: camera.source: ${ begins a reference of a kind that there is not" + forms},
		{"shell variable", sourceLine("file:${HOME}"), "3: camera.source: ${ begins a reference of a kind that there is not" + forms},
		{"no end", sourceLine("file:${cred:x"), "3: camera.source: a ${ has no }" + forms},
		{"program", sourceLine("exec:cat ${cred:pw}"), "3: camera.source: the arguments of a program can be read by everybody on this machine, so nothing secret is put into them; let the program read its secret itself, from the environment or from a file in $CREDENTIALS_DIRECTORY"},
		{"program by reference", sourceLine("${cred:exec}"), "3: camera.source: the arguments of a program can be read by everybody on this machine, so nothing secret is put into them; let the program read its secret itself, from the environment or from a file in $CREDENTIALS_DIRECTORY"},
		{"value that does not fit", "[log]\nlevel = \"${env:BAD_PORT}\"\n", `2: log.level: "${env:BAD_PORT}" is not one of its values (allowed: trace, debug, info, warn, error)`},
		{"address that does not fit", "[server]\nlisten = \"127.0.0.1:${env:BAD_PORT}\"\n", `2: server.listen: "127.0.0.1:${env:BAD_PORT}" does not fit, with what its references stand for (allowed: host:port, as in 127.0.0.1:8080)`},
		{"number", "[detect]\nfps = \"${env:BAD_PORT}\"\n", `2: detect.fps: want a number and not the text "${env:BAD_PORT}" (allowed: 0.1 to 60)`},
		{"source of a bad kind", sourceLine("gopher://a:${cred:pw}@h/"), `3: camera.source: source "gopher://***@h/": unknown kind`},
		{"source that is none", sourceLine("${cred:pw}"), `3: camera.source: "${cred:pw}" is no source, with what its references stand for`},
		{"model", "model = \"./${env:BAD_PORT}.onnx\"\n", `1: model: "./${env:BAD_PORT}.onnx" does not fit, with what its references stand for: there is no such model, or it cannot be read`},
		{"class", "[detect]\nclasses = [\"${env:BAD_PORT}\"]\n", `2: detect.classes: the model knows no class "${env:BAD_PORT}"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("c.toml", tt.text, testHooks)
			var faults Errors
			if !errors.As(err, &faults) {
				t.Fatalf("error is %v", err)
			}
			if got := err.Error(); got != "c.toml:"+tt.want {
				t.Errorf("got\n%s\nwant\nc.toml:%s", got, tt.want)
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Error("the fault shows a secret")
			}
		})
	}
	t.Run("no folder", func(t *testing.T) {
		t.Setenv("CREDENTIALS_DIRECTORY", "")
		_, err := parse("c.toml", sourceLine("file:${cred:pw}"), testHooks)
		const want = "c.toml:3: camera.source: the credential pw cannot be looked up: CREDENTIALS_DIRECTORY is not set; a service has it from LoadCredential=pw:FILE " +
			"in its unit, a command beside it from CREDENTIALS_DIRECTORY=/run/credentials/yfv2d.service"
		if err == nil || err.Error() != want {
			t.Errorf("got\n%v\nwant\n%s", err, want)
		}
	})
}

// FuzzReferences: any text and any value. A text without ${ stays as it is, a value put into a password comes out of it
// again, and no fault shows the value.
func FuzzReferences(f *testing.F) {
	f.Add("rtsp://me:${cred:pw}@h/1", "p@ss/w:rd%41")
	f.Add("${cred:pw}", "exec:cat")
	f.Add("$${x} ${env:A} ${", "v")
	f.Add("http://a@b/${cred:pw}@c?d=${cred:pw}#", "%%%@@@")
	dir := f.TempDir()
	f.Setenv("CREDENTIALS_DIRECTORY", dir)
	f.Fuzz(func(t *testing.T, text, value string) {
		if err := os.WriteFile(filepath.Join(dir, "pw"), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		parts, err := split(text)
		if err == nil {
			var back strings.Builder
			for _, p := range parts {
				back.WriteString(strings.ReplaceAll(p.plain, "${", "$${"))
				if p.kind != "" {
					back.WriteString(p.String())
				}
			}
			if back.String() != text {
				t.Fatalf("%q comes apart as %q", text, back.String())
			}
		}
		l := &loader{file: "c.toml", cfg: Default(), lines: map[string]int{}, written: map[string]string{}, secrets: map[string]string{}, failed: map[string]bool{}}
		got := l.expandText("camera[0].source", text)
		if !strings.Contains(text, "${") && got != text {
			t.Fatalf("%q becomes %q", text, got)
		}
		const mark = "needle"
		for _, f := range l.faults {
			if strings.Contains(value, mark) && !strings.Contains(text, mark) && strings.Contains(f.Error(), mark) {
				t.Fatalf("the fault shows the value: %s", f.Error())
			}
		}
	})
}
