package webcam_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"image"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/capture/webcam"
	"yfv2d/capture/webcam/webcamtest"
	"yfv2d/pipeline"
)

// readUntilError reads until a read fails.
func readUntilError(t testing.TB, src pipeline.Source) error {
	t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		if _, err := read(t, src); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	t.Fatal("no error came")
	return nil
}

func TestFaults(t *testing.T) {
	pics, large := files(t, "192x144"), files(t, "320x240")
	for _, path := range []string{"/stream", "/picture#fps=50"} {
		cam := func(t *testing.T) (*webcamtest.Server, pipeline.Source) {
			t.Parallel()
			c := webcamtest.Start(t, webcamtest.Config{Pictures: pics, Interval: 20 * time.Millisecond, User: "u", Password: "secret"})
			src := open(t, c.URL(path))
			mustRead(t, src)
			return c, src
		}
		lost := func(says string, fault func(*webcamtest.Server)) func(t *testing.T) {
			return func(t *testing.T) {
				c, src := cam(t)
				fault(c)
				if path != "/stream" { // a connection that is lost between two questions is made again
					for range 5 {
						if _, err := read(t, src); err != nil && !strings.Contains(err.Error(), says) {
							t.Errorf("%v, want one that says %q", err, says)
						}
					}
					return
				}
				err := readUntilError(t, src)
				var refused *live.Refused
				if !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "http://"+c.Addr()+"/") || errors.As(err, &refused) {
					t.Errorf("%v, want one that says %q", err, says)
				}
				if _, again := read(t, src); again == nil || again.Error() != err.Error() {
					t.Errorf("then %v", again)
				}
			}
		}
		t.Run(path, func(t *testing.T) {
			t.Run("hangup", lost("the camera ", (*webcamtest.Server).Hangup))
			t.Run("reset", lost("the camera reset the connection", (*webcamtest.Server).Reset))
			t.Run("down", func(t *testing.T) {
				c, src := cam(t)
				c.Down(100 * time.Millisecond)
				if path != "/stream" { // a question may come before or behind the gap
					return
				}
				_ = readUntilError(t, src)
				mustRead(t, open(t, c.URL(path)))
			})
			for name, fault := range map[string]func(*webcamtest.Server){"freeze": (*webcamtest.Server).Freeze, "half frame": (*webcamtest.Server).HalfFrame,
				"slow loris": (*webcamtest.Server).SlowLoris} {
				t.Run(name, func(t *testing.T) { c, src := cam(t); silent(t, c, src, fault) })
			}
			t.Run("size change", func(t *testing.T) {
				c, src := cam(t)
				c.SetPictures(large)
				for mustRead(t, src).size != image.Pt(320, 240) {
				}
				c.SetPictures(pics)
				for mustRead(t, src).size != image.Pt(192, 144) {
				}
			})
			t.Run("wrong password, then right", func(t *testing.T) {
				c, _ := cam(t)
				right := c.URL(path)
				c.SetPassword("other")
				if _, err := tryOpen(right, live.Options{}); err == nil || !strings.Contains(err.Error(), "wrong user name or password (401)") {
					t.Errorf("%v", err)
				}
				c.SetPassword("secret")
				mustRead(t, open(t, right))
			})
		})
	}
	t.Run("password changed while asking", func(t *testing.T) {
		c := webcamtest.Start(t, webcamtest.Config{Pictures: pics, User: "u", Password: "p"})
		src := open(t, c.URL("/picture#fps=50"))
		mustRead(t, src)
		c.SetPassword("other")
		var refused *live.Refused
		if err := readUntilError(t, src); !errors.As(err, &refused) {
			t.Errorf("%v", err)
		}
	})
	t.Run("now a page", func(t *testing.T) {
		c := webcamtest.Start(t, webcamtest.Config{Pictures: pics})
		src := open(t, c.URL("/picture#fps=50"))
		mustRead(t, src)
		c.SetContentType("text/html")
		if err := readUntilError(t, src); !strings.Contains(err.Error(), "is this the camera's page") {
			t.Errorf("%v", err)
		}
	})
	t.Run("garbage", func(t *testing.T) {
		c := webcamtest.Start(t, webcamtest.Config{Pictures: pics, Interval: 20 * time.Millisecond})
		src := open(t, c.URL("/stream"))
		for range 20 {
			c.Garbage(30_000)
			if s := mustRead(t, src); int(s.counter) >= len(pics) {
				t.Error("a frame without stamp")
			}
		}
	})
}

// silent looks at a source whose camera falls silent: Read ends with its ctx, the pulse tells, and Close does not wait.
func silent(t *testing.T, c *webcamtest.Server, src pipeline.Source, fault func(*webcamtest.Server)) {
	t.Helper()
	fault(c)
	f := pipeline.NewFrame()
	defer f.Close()
	limit := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		err := src.Read(ctx, f)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if time.Now().After(limit) {
			t.Fatal("it does not fall silent")
		}
	}
	if p := src.(pipeline.Pulser).Pulse(); p.Data.IsZero() {
		t.Error("no pulse")
	}
	done := make(chan error, 1)
	go func() { done <- src.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("close: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Close hangs")
	}
	c.Thaw()
	mustRead(t, open(t, c.URL("/stream")))
}

func TestOpenIsBounded(t *testing.T) {
	c := webcamtest.Start(t, webcamtest.Config{Pictures: files(t, "64x48")})
	c.Freeze()
	_, err := tryOpen(c.URL("/stream"), live.Options{OpenTimeout: 300 * time.Millisecond})
	// On a busy machine the time may be over while it still connects.
	if err == nil || !strings.Contains(err.Error(), "no answer within 300ms") && !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a camera that does not answer: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := webcam.Open(ctx, parse(t, c.URL("/stream")), live.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled opening: %v", err)
	}
	if _, err := webcam.Open(ctx, parse(t, c.URL("/stream")), live.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an opening that was canceled before: %v", err)
	}
	c.Thaw()
	src := open(t, c.URL("/stream"))
	mustRead(t, src)
	if _, err := webcam.Open(context.Background(), webcam.Config{}, live.Options{}); err == nil {
		t.Error("an empty configuration is taken")
	}
}

func TestRedirects(t *testing.T) {
	pics := files(t, "64x48")
	cam := webcamtest.Start(t, webcamtest.Config{Pictures: pics, Interval: 20 * time.Millisecond, User: "u", Password: "secret", Auth: webcamtest.Basic})
	thief := webcamtest.Start(t, webcamtest.Config{Pictures: pics, Interval: 20 * time.Millisecond, User: "u", Password: "secret", Auth: webcamtest.Basic})
	free := webcamtest.Start(t, webcamtest.Config{Pictures: pics, Interval: 20 * time.Millisecond})
	to := func(target string) string { return cam.URL("/redirect?pwd=secret&to=" + url.QueryEscape(target)) }
	mustRead(t, open(t, to("/stream")))
	mustRead(t, open(t, to(to("/stream"))))
	mustRead(t, open(t, to("http://"+free.Addr()+"/stream")))
	var refused *live.Refused
	for _, stolen := range []string{"http://" + thief.Addr() + "/stream", "http://x:y@" + thief.Addr() + "/stream"} {
		_, err := tryOpen(to(stolen), live.Options{})
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "it redirects to "+thief.Addr()+", which wants a password (401)") {
			t.Errorf("to another host that asks for a password: %v", err)
		}
	}
	for _, r := range append(thief.Requests(), free.Requests()...) {
		if r.Authorization != "" || r.Referer != "" {
			t.Errorf("another host was told %+v", r)
		}
	}
	for target, says := range map[string]string{"": "without saying where to", "ftp://x/": "no address of HTTP", "http:///": "no address of HTTP",
		"http://a b/": "no address of HTTP"} {
		if _, err := tryOpen(to(target), live.Options{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("to %q: %v", target, err)
		}
	}
	loop := "/stream"
	for range 6 {
		loop = "/redirect?to=" + url.QueryEscape(loop)
	}
	if _, err := tryOpen(cam.URL(loop), live.Options{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "more than 5 times") {
		t.Errorf("six redirects: %v", err)
	}
	if _, err := tryOpen(cam.URL(strings.Replace(loop, "/redirect?to=", "", 1)), live.Options{}); err == nil {
		t.Error("an escaped path was followed")
	}
}

// certificate is one that signs itself, as cameras have them.
func certificate(t testing.TB) (*tls.Config, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "camera"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, sum[:]
}

func TestTLS(t *testing.T) {
	server, sum := certificate(t)
	cam := webcamtest.Start(t, webcamtest.Config{Pictures: files(t, "64x48"), TLS: server, User: "u", Password: "p"})
	rows := []struct {
		name string
		set  func(*webcam.Config)
		says string
	}{
		{"not trusted", func(*webcam.Config) {}, fmt.Sprintf("is not trusted (x509: certificate signed by unknown authority): pin its fingerprint, sha256:%x", sum)},
		{"pinned", func(c *webcam.Config) { c.Fingerprint = sum }, ""},
		{"pinned, another", func(c *webcam.Config) { c.Fingerprint = make([]byte, 32) }, "another certificate than the pinned one"},
		{"any", func(c *webcam.Config) { c.TLSInsecure = true }, ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			cfg := parse(t, cam.URL("/stream"))
			r.set(&cfg)
			src, err := webcam.Open(context.Background(), cfg, live.Options{})
			var refused *live.Refused
			switch {
			case r.says == "" && err == nil:
				mustRead(t, src)
				closeSource(t, src)
			case r.says == "" || err == nil || !strings.Contains(err.Error(), r.says) || !errors.As(err, &refused):
				t.Errorf("%v, want %q", err, r.says)
			}
		})
	}
}

func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	_ = os.Unsetenv("NO_PROXY")
	cam := webcamtest.Start(t, webcamtest.Config{Pictures: files(t, "64x48")})
	mustRead(t, open(t, cam.URL("/stream")))
}
