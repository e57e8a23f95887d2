package live

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// wrongCertificate is not the one that was pinned.
type wrongCertificate struct{ sum [sha256.Size]byte }

func (e *wrongCertificate) Error() string {
	return fmt.Sprintf("the camera shows another certificate than the pinned one; its fingerprint is sha256:%x", e.sum)
}

// TLSConfig is how a camera proves who it is: by a certificate that the system trusts; by the one whose SHA-256 is
// fingerprint, if that is not nil; or not at all, if insecure.
func TLSConfig(insecure bool, fingerprint []byte) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure || fingerprint != nil}
	if fingerprint != nil {
		c.VerifyConnection = func(s tls.ConnectionState) error {
			sum := sha256.Sum256(s.PeerCertificates[0].Raw)
			if subtle.ConstantTimeCompare(sum[:], fingerprint) != 1 {
				return &wrongCertificate{sum}
			}
			return nil
		}
	}
	return c
}

// TLSReason is an error of TLS in words that help; nil if err is none. plain is the scheme without TLS, clean makes the
// other side's words fit for a line.
func TLSReason(err error, address, plain string, clean func(string) string) error {
	var pinned *wrongCertificate
	var unverified *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &pinned):
		return Refuse("%w", pinned)
	case errors.As(err, &unverified):
		sum := sha256.Sum256(unverified.UnverifiedCertificates[0].Raw)
		return Refuse("the camera's certificate is not trusted (%s): pin its fingerprint, sha256:%x, if it is the right one, or set tls_verify = false",
			clean(unverified.Err.Error()), sum)
	case errors.As(err, &record):
		return Refuse("the camera does not speak TLS at %s: write %s or another port", address, plain)
	case errors.As(err, &alert):
		return Refuse("TLS: the camera refuses the connection: %s", clean(alert.Error()))
	}
	return nil
}

// NetworkReason is an error of the network in words that help; nil if err is none that it knows.
func NetworkReason(err error, address string, clean func(string) string) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("no host of the name %s is known", clean(dns.Name))
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s cannot be looked up: %s", clean(dns.Name), clean(dns.Err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s: is the camera up, and is the port right?", address)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("there is no way to %s: is the camera on, and on this network?", address)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the camera reset the connection")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the camera closed the connection")
	}
	return nil
}
