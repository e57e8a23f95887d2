package webcam

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode"

	"yfv2d/capture/live"
)

// wrongCertificate is not the one that was pinned.
type wrongCertificate struct{ sum [sha256.Size]byte }

func (e *wrongCertificate) Error() string {
	return fmt.Sprintf("the camera shows another certificate than the pinned one; its fingerprint is sha256:%x", e.sum)
}

func refuse(format string, args ...any) error { return &live.Refused{Err: fmt.Errorf(format, args...)} }

func isRefused(err error) bool {
	var r *live.Refused
	return errors.As(err, &r)
}

// explain makes an error for people: which camera, what happened, what to do.
func (c Config) explain(err error) error {
	err = c.reason(err)
	if isRefused(err) {
		return refuse("%v: %w", c, err)
	}
	return fmt.Errorf("%v: %w", c, err)
}

func (c Config) reason(err error) error {
	if isRefused(err) {
		return err
	}
	if e := c.tlsReason(err); e != nil {
		return e
	}
	var dns *net.DNSError
	var timeout net.Error
	at := address(c.url)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("no host of the name %s is known", clean(dns.Name))
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s cannot be looked up: %s", clean(dns.Name), clean(dns.Err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s: is the camera up, and is the port right?", at)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("there is no way to %s: is the camera on, and on this network?", at)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the camera reset the connection")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the camera closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s does not answer", at)
	}
	text := live.Redact(clean(err.Error()))
	if text != err.Error() {
		return errors.New(text)
	}
	return err
}

func (c Config) tlsReason(err error) error {
	var pinned *wrongCertificate
	var unverified *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &pinned):
		return refuse("%w", pinned)
	case errors.As(err, &unverified):
		sum := sha256.Sum256(unverified.UnverifiedCertificates[0].Raw)
		return refuse("the camera's certificate is not trusted (%s): pin its fingerprint, sha256:%x, if it is the right one, or set tls_verify = false",
			clean(unverified.Err.Error()), sum)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"): // net/http has no value for it
		return refuse("the camera does not speak TLS at %s: write http:// or another port", address(c.url))
	case errors.As(err, &alert):
		return refuse("TLS: the camera refuses the connection: %s", clean(alert.Error()))
	}
	return nil
}

// clean makes a text of the camera's fit for one line of a log.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	const longest = 200
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return strings.TrimSpace(s)
}
