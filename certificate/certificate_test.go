package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func selfSigned(t *testing.T, path string) *Keeper {
	t.Helper()
	k, replaced, err := SelfSigned(path)
	if err != nil || replaced != nil {
		t.Fatal(replaced, err)
	}
	return k
}

func TestSelfSignedIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "certificate.pem")
	if _, err := Peek(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Peek before there is one: %v", err)
	}
	first := selfSigned(t, path).Info()
	again := selfSigned(t, path).Info()
	peeked, err := Peek(path)
	if err != nil || first.Fingerprint != again.Fingerprint || first.Fingerprint != peeked.Fingerprint || !first.SelfSigned {
		t.Errorf("made %+v, then found %+v, %+v, %v", first, again, peeked, err)
	}
	if len(first.Fingerprint) != 95 {
		t.Errorf("fingerprint %s", first.Fingerprint)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	selfSigned(t, path)
	if info, _ := os.Stat(path); info.Mode() != 0o600 {
		t.Errorf("a key that others may read stays %v", info.Mode())
	}
}

func TestSelfSignedIsTakenByClients(t *testing.T) {
	k := selfSigned(t, filepath.Join(t.TempDir(), "c.pem"))
	cert := k.current.Load().cert
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	host, _ := os.Hostname()
	short, _, _ := strings.Cut(strings.ToLower(host), ".")
	for _, name := range []string{"localhost", "127.0.0.1", "::1", short, short + ".local"} {
		for _, at := range []string{"2020-01-01", "2049-12-31"} {
			now, err := time.Parse(time.DateOnly, at)
			if err != nil {
				t.Fatal(err)
			}
			opt := x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
			if strings.Contains(name, ":") {
				opt.DNSName = "[" + name + "]"
			}
			if _, err := cert.Leaf.Verify(opt); err != nil {
				t.Errorf("%s on %s: %v", name, at, err)
			}
		}
	}
	if cert.Leaf.IsCA {
		t.Error("it can sign others")
	}
	if !cert.Leaf.NotBefore.Before(time.Date(2019, 7, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("it begins after Apple's rule of 825 days")
	}
}

func TestNames(t *testing.T) {
	ip := net.ParseIP("192.168.1.9")
	for _, tt := range []struct{ name, host, want string }{
		{"short", "pi", "pi pi.local localhost"},
		{"capitals", "Pi4", "pi4 pi4.local localhost"},
		{"with a domain", "pi.example.org", "pi.example.org pi pi.local localhost"},
		{"multicast", "pi.local", "pi.local pi localhost"},
		{"none", "", "localhost"},
		{"no name", "p\x00i", "localhost"},
		{"localhost", "localhost", "localhost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names, ips := namesOf(tt.host, []net.IP{ip})
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("names are %s, want %s", got, tt.want)
			}
			if len(ips) != 3 || !ips[2].Equal(ip) {
				t.Errorf("addresses are %v", ips)
			}
		})
	}
}

func TestBadSelfSignedIsReplaced(t *testing.T) {
	good := filepath.Join(t.TempDir(), "c.pem")
	selfSigned(t, good)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "c.pem")
	selfSigned(t, other)
	otherText, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	certOf, keyOf := text[:strings.Index(string(text), "-----BEGIN PRIVATE")], otherText[strings.Index(string(otherText), "-----BEGIN PRIVATE"):]
	for name, bad := range map[string][]byte{
		"empty": nil, "half": text[:len(text)/2], "no text": make([]byte, 4096), "too large": make([]byte, maxFile+1),
		"another's key": slices.Concat(certOf, keyOf), "no key": certOf,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.pem")
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			k, replaced, err := SelfSigned(path)
			if err != nil || replaced == nil || strings.Contains(replaced.Error(), "\n") {
				t.Fatalf("replaced %v, error %v", replaced, err)
			}
			kept, err := os.ReadFile(path + ".bad")
			if err != nil || !slices.Equal(kept, bad) {
				t.Errorf("the old file is not kept: %v", err)
			}
			if again := selfSigned(t, path).Info(); again.Fingerprint != k.Info().Fingerprint {
				t.Error("the new one does not last")
			}
		})
	}
	t.Run("a folder in its place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c.pem")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, replaced, err := SelfSigned(path); err != nil || replaced == nil {
			t.Errorf("replaced %v, error %v", replaced, err)
		}
	})
	t.Run("no place to write", func(t *testing.T) {
		if _, _, err := SelfSigned("/dev/null/c.pem"); err == nil {
			t.Error("no error")
		}
	})
}

// renewed is a pair of files as certbot keeps them: links into a folder of versions.
type renewed struct {
	t         *testing.T
	dir       string
	cert, key string
}

func newRenewed(t *testing.T) *renewed {
	dir := t.TempDir()
	return &renewed{t: t, dir: dir, cert: filepath.Join(dir, "fullchain.pem"), key: filepath.Join(dir, "privkey.pem")}
}

// version makes a new pair and says what its fingerprint is.
func (r *renewed) version(name string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	k := selfSigned(r.t, path+".pair")
	text, err := os.ReadFile(path + ".pair")
	if err != nil {
		r.t.Fatal(err)
	}
	i := strings.Index(string(text), "-----BEGIN PRIVATE")
	for end, part := range map[string][]byte{".cert": text[:i], ".key": text[i:]} {
		if err := os.WriteFile(path+end, part, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	return k.Info().Fingerprint
}

func (r *renewed) link(to, at string) {
	r.t.Helper()
	if err := os.Symlink(filepath.Join(r.dir, to), at+".new"); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		r.t.Fatal(err)
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	r := newRenewed(t)
	one, two, three := r.version("1"), r.version("2"), r.version("3")
	r.link("1.cert", r.cert)
	r.link("1.key", r.key)
	var told []string
	k, err := Files(r.cert, r.key, func(i Info, err error) {
		if err != nil {
			told = append(told, "fault")
			return
		}
		told = append(told, i.Fingerprint)
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	k.files.now = func() time.Time { return now }
	shows := func(step, want string, wantTold ...string) {
		t.Helper()
		now = now.Add(lookEvery)
		for range 2 {
			cert, err := k.Config().GetCertificate(&tls.ClientHelloInfo{})
			if err != nil {
				t.Fatal(err)
			}
			if got := Fingerprint(cert.Certificate[0]); got != want {
				t.Errorf("%s: certificate %s, want %s", step, got, want)
			}
			now = now.Add(lookEvery)
		}
		if !slices.Equal(told, wantTold) {
			t.Errorf("%s: told %q, want %q", step, told, wantTold)
		}
		told = nil
	}
	shows("at the start", one)
	r.link("2.cert", r.cert)
	shows("half renewed", one, "fault")
	r.link("2.key", r.key)
	shows("renewed", two, two)
	if err := os.WriteFile(filepath.Join(r.dir, "2.cert"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shows("emptied", two, "fault")
	if err := os.Remove(r.key); err != nil {
		t.Fatal(err)
	}
	shows("and gone", two)
	r.link("3.cert", r.cert)
	r.link("3.key", r.key)
	shows("renewed again", three, three)
	r.link("1.cert", r.cert)
	shows("half of an older one", three, "fault")
	r.link("3.cert", r.cert)
	shows("taken back", three)
	if k.Info().SelfSigned {
		t.Error("a certificate from files is told as self-signed")
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	r := newRenewed(t)
	r.version("1")
	one, key := filepath.Join(r.dir, "1.cert"), filepath.Join(r.dir, "1.key")
	for _, tt := range []struct{ name, cert, key string }{
		{"no certificate", filepath.Join(r.dir, "none"), key},
		{"no key", one, filepath.Join(r.dir, "none")},
		{"a folder", r.dir, key},
		{"swapped", key, one},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Files(tt.cert, tt.key, nil); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v", err)
			}
			if err := Check(tt.cert, tt.key); err == nil {
				t.Error("Check finds nothing")
			}
		})
	}
	if err := Check(one, key); err != nil {
		t.Error(err)
	}
}
