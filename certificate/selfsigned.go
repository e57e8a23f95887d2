package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A self-signed certificate is made once and lasts: a new one would ask everybody to trust it again. It begins before any
// clock that a board without a battery may start with, and before 1 July 2019: Apple's systems refuse server certificates that
// begin later and last longer than 825 days (support.apple.com/103769). It ends with the last year that certificates write
// in two digits (RFC 5280 section 4.1.2.5.1), which every reader of them knows.
var (
	notBefore = time.Date(2019, 6, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// maxFile bounds a file with certificates or a key, bytes.
const maxFile = 1 << 20

// SelfSigned opens the certificate in the file at path, which holds the key too. If there is none, or it cannot be used, one
// is made for this machine's names and addresses of now; one that cannot be used is kept beside it as path + ".bad", and
// replaced says why (nil if nothing was replaced).
func SelfSigned(path string) (k *Keeper, replaced, err error) {
	k = &Keeper{selfSigned: true}
	cert, err := load(path, path)
	if err == nil {
		_ = os.Chmod(path, 0o600) // if somebody copied it carelessly
	} else {
		if !errors.Is(err, fs.ErrNotExist) {
			replaced = fmt.Errorf("the self-signed certificate %s cannot be used, a new one is made (the old file is now %s.bad): %w", path, filepath.Base(path), err)
			if err := os.Rename(path, path+".bad"); err != nil {
				return nil, nil, errors.Join(replaced, err)
			}
		}
		if cert, err = create(path); err != nil {
			return nil, replaced, fmt.Errorf("make a self-signed certificate: %w", err)
		}
	}
	h, err := hold(cert, true)
	if err != nil {
		return nil, replaced, fmt.Errorf("self-signed certificate: %w", err)
	}
	k.current.Store(h)
	return k, replaced, nil
}

// Peek is the certificate in a file that SelfSigned made, without making one.
func Peek(path string) (Info, error) {
	cert, err := load(path, path)
	if err != nil {
		return Info{}, err
	}
	h, err := hold(cert, true)
	if err != nil {
		return Info{}, err
	}
	return h.info, nil
}

// create makes a certificate and its key and writes both into one file, so that they always fit together.
func create(path string) (tls.Certificate, error) {
	host, _ := os.Hostname() // without one the addresses remain
	names, addrs := namesOf(host, machineAddrs())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // 20 octets at most, positive: RFC 5280 section 4.1.2.2
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "yfv2d on " + names[0]},
		NotBefore:    notBefore, NotAfter: notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, // Apple asks for it, see above
		// No authority: it can sign nothing else, whoever comes to trust it.
		BasicConstraintsValid: true,
		DNSNames:              names, IPAddresses: addrs,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	var text bytes.Buffer
	for _, b := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}} {
		if err := pem.Encode(&text, b); err != nil {
			return tls.Certificate{}, err
		}
	}
	if err := writeFile(path, text.Bytes()); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(text.Bytes(), text.Bytes())
}

// writeFile writes a file that only its owner may read: whole or not at all, whenever the power goes.
func writeFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir) // the new name is to last too
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// namesOf is what a machine of this name and these addresses is called: by itself, in the local network, by multicast DNS.
func namesOf(host string, addrs []net.IP) (names []string, ips []net.IP) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if isName(host) && host != "localhost" {
		short, _, _ := strings.Cut(host, ".")
		names = append(names, host)
		if short != host {
			names = append(names, short)
		}
		if local := short + ".local"; local != host {
			names = append(names, local)
		}
	}
	names = append(names, "localhost")
	ips = append(ips, net.IPv4(127, 0, 0, 1), net.IPv6loopback)
	const most = 64 // a certificate of some kB fits into the first packets
	for _, ip := range addrs {
		if len(ips) < most {
			ips = append(ips, ip)
		}
	}
	return names, ips
}

func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return true
}

// machineAddrs are this machine's addresses as others reach them.
func machineAddrs() (out []net.IP) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			out = append(out, n.IP)
		}
	}
	return out
}
