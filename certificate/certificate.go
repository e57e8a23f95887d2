// Package certificate holds the certificate that the server shows: one made by itself, or one from files that others renew.
package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Info is what people are told of a certificate.
type Info struct {
	SelfSigned  bool      // made by this program: browsers warn until somebody trusts it
	Fingerprint string    // SHA-256 of the certificate, as browsers show it: AB:CD:...
	Names       []string  // names and addresses that it is for
	NotAfter    time.Time // when it ends
}

// Keeper gives the certificate for each handshake. It is for use by any number of goroutines.
type Keeper struct {
	current    atomic.Pointer[held]
	selfSigned bool
	files      *files // nil: it never changes

	looking sync.Mutex // held by the one handshake that looks at the files
}

type held struct {
	cert tls.Certificate
	info Info
}

func hold(cert tls.Certificate, selfSigned bool) (*held, error) {
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, err
		}
		cert.Leaf = leaf
	}
	info := Info{SelfSigned: selfSigned, Fingerprint: Fingerprint(leaf.Raw), NotAfter: leaf.NotAfter, Names: leaf.DNSNames}
	for _, ip := range leaf.IPAddresses {
		info.Names = append(info.Names, ip.String())
	}
	return &held{cert, info}, nil
}

// Fingerprint is the SHA-256 of a certificate in DER as people compare it: pairs of hexadecimal digits with colons.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// Info is the certificate that the next handshake gets.
func (k *Keeper) Info() Info {
	k.look()
	return k.current.Load().info
}

// Config is for a server: TLS 1.2 at least (RFC 8996 ended those before), and this certificate whatever name is asked for.
func (k *Keeper) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			k.look()
			return &k.current.Load().cert, nil
		},
	}
}

// look takes in changed files. One caller does it, the others go on with what there is.
func (k *Keeper) look() {
	if k.files == nil || !k.looking.TryLock() {
		return
	}
	defer k.looking.Unlock()
	if cert := k.files.changed(); cert != nil {
		k.current.Store(cert)
	}
}
