package rtsp

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"yfv2d/capture/live"
)

// errNoUDP: nothing came by UDP.
var errNoUDP = fmt.Errorf("no UDP packet came within %v: something between here and the camera holds them back; set transport = \"tcp\"", firstPacket)

// udpError is one of UDP, that TCP may not have.
type udpError struct{ err error }

func (e *udpError) Error() string { return e.err.Error() }
func (e *udpError) Unwrap() error { return e.err }

// told is an error that is fit for people already.
type told struct{ error }

func (e *told) Unwrap() error { return e.error }

// redirect is a camera's word that its stream is elsewhere.
type redirect struct{ to string }

func (r *redirect) Error() string { return "redirected" }

// strange is a stream of packets that do not fit.
type strange struct{ err error }

func (e *strange) Error() string {
	return "the camera sends other packets than it announced: " + clean(e.err.Error())
}

// explain makes an error for people of one of the library: which camera, what happened, what to do.
func (c Config) explain(err error) error {
	why := fmt.Errorf("%v: %w", c, c.reason(err))
	if live.IsRefused(why) {
		return &live.Refused{Err: why}
	}
	return why
}

func (c Config) reason(err error) error {
	var status liberrors.ErrClientBadStatusCode
	var method liberrors.ErrClientUnhandledMethod
	var fit *told
	switch {
	case errors.As(err, &fit):
		return err
	case errors.As(err, &status):
		return c.status(int(status.Code), status.Message)
	case errors.As(err, &method):
		return c.asked(method.Method)
	case errors.Is(err, errNoUDP), live.IsRefused(err):
		return err
	}
	if e := live.TLSReason(err, c.address(), "rtsp://", clean); e != nil {
		return e
	}
	if e := live.NetworkReason(err, c.address(), clean); e != nil {
		return e
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return fmt.Errorf("%s does not answer", c.address())
	}
	return c.clientReason(err)
}

// status is what an RTSP status means.
func (c Config) status(code int, message string) error {
	switch code {
	case 401:
		if !c.login {
			return live.Refuse("the camera wants a user name and a password (401): write them before the host, as in rtsp://USER:PASSWORD@HOST/PATH")
		}
		return live.Refuse("wrong user name or password (401)")
	case 403:
		return live.Refuse("this user may not see the stream (403)")
	case 404:
		return live.Refuse("no such stream (404): check the path in the camera's manual")
	case 453, 503:
		return fmt.Errorf("the camera is busy (%d): it may allow few viewers at a time", code)
	case 454:
		return errors.New("the camera ended the session (454)")
	case 461:
		return live.Refuse("the camera refuses this transport (461): set transport to the other of \"tcp\" and \"udp\"")
	}
	return fmt.Errorf("the camera answers %d (%s)", code, redact(clean(message)))
}

// asked is what a request of the camera's means.
func (c Config) asked(m base.Method) error {
	switch m {
	case base.Teardown:
		return errors.New("the camera ended the session (TEARDOWN)")
	case base.Announce:
		return errors.New("the camera changed its stream (ANNOUNCE)")
	}
	return fmt.Errorf("the camera asks for %s, which is not known here", clean(string(m)))
}

func (c Config) clientReason(err error) error {
	var (
		noPorts   liberrors.ErrClientServerPortsNotProvided
		wantsTCP  liberrors.ErrClientServerRequestedTCP
		wantsUDP  liberrors.ErrClientServerRequestedUDP
		timedOut  liberrors.ErrClientRequestTimedOut
		silentTCP liberrors.ErrClientTCPTimeout
		silentUDP liberrors.ErrClientUDPTimeout
		badAuth   liberrors.ErrClientAuthSetup
		badType   liberrors.ErrClientContentTypeUnsupported
	)
	switch {
	case errors.As(err, &wantsTCP), errors.As(err, &noPorts):
		return live.Refuse("the camera does not serve UDP: set transport = \"tcp\"")
	case errors.As(err, &wantsUDP):
		return live.Refuse("the camera serves UDP only: set transport = \"udp\"")
	case errors.As(err, &timedOut), errors.As(err, &silentTCP), errors.As(err, &silentUDP):
		return fmt.Errorf("the camera was silent for %v", answerIn)
	case errors.As(err, &badAuth):
		return live.Refuse("the camera asks for the password in a way that is not known; Digest and Basic are")
	case errors.As(err, &badType):
		return live.Refuse("the camera describes its stream in another language than SDP")
	}
	text := redact(clean(err.Error()))
	if strings.HasPrefix(text, "the camera") {
		return err
	}
	return fmt.Errorf("the camera's answer cannot be read: %s", text)
}
