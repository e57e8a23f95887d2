package webcam

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"unicode"

	"yfv2d/capture/live"
)

// explain makes an error for people: which camera, what happened, what to do.
func (c Config) explain(err error) error {
	err = c.reason(err)
	if live.IsRefused(err) {
		return live.Refuse("%v: %w", c, err)
	}
	return fmt.Errorf("%v: %w", c, err)
}

func (c Config) reason(err error) error {
	if live.IsRefused(err) {
		return err
	}
	at := address(c.url)
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") { // net/http has no value for it
		err = tls.RecordHeaderError{}
	}
	if e := live.TLSReason(err, at, "http://", clean); e != nil {
		return e
	}
	if e := live.NetworkReason(err, at, clean); e != nil {
		return e
	}
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%s does not answer", at)
	}
	text := live.Redact(clean(err.Error()))
	if text != err.Error() {
		return errors.New(text)
	}
	return err
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
