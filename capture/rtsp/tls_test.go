package rtsp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/capture/rtsp"
	"yfv2d/capture/rtsp/rtsptest"
)

// certificate is one that signs itself, as cameras have them.
type certificate struct {
	server *tls.Config
	sum    []byte
}

func newCertificate(t testing.TB) certificate {
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
	return certificate{&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, sum[:]}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	clip := rtsptest.PatternH264().First(200 * time.Millisecond)
	cam := rtsptest.Start(t, rtsptest.Config{Clip: clip, TLS: cert.server})
	plain := rtsptest.Start(t, rtsptest.Config{Clip: clip})
	overTLS := "rtsps" + strings.TrimPrefix(plain.URL(), "rtsp")
	rows := []struct {
		name string
		url  string
		set  func(*rtsp.Config)
		says string
	}{
		{"verified", cam.URL(), func(*rtsp.Config) {}, "certificate is not trusted"},
		{"the error tells the fingerprint", cam.URL(), func(*rtsp.Config) {}, "sha256:" + hex.EncodeToString(cert.sum)},
		{"insecure", cam.URL(), func(c *rtsp.Config) { c.TLSInsecure = true }, ""},
		{"pinned", cam.URL(), func(c *rtsp.Config) { c.Fingerprint = cert.sum }, ""},
		{"another pinned", cam.URL(), func(c *rtsp.Config) { c.Fingerprint = make([]byte, 32) }, "another certificate than the pinned one"},
		{"no TLS there", overTLS, func(*rtsp.Config) {}, ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			cfg := parse(t, r.url)
			r.set(&cfg)
			opt := live.Options{OpenTimeout: patience}
			if r.url == overTLS { // the server waits for the rest of a request
				opt.OpenTimeout = time.Second
			}
			src, err := rtsp.Open(context.Background(), cfg, opt)
			switch {
			case r.url == overTLS:
				if err == nil {
					t.Error("TLS to a server without TLS was opened")
				}
			case r.says != "":
				refusal(t, err, r.says)
			case err != nil:
				t.Fatal(err)
			default:
				mustRead(t, src)
			}
			if src != nil {
				_ = src.Close()
			}
		})
	}
}
