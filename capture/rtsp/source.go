// Package rtsp takes access units from RTSP cameras, of H.264, H.265 and MJPEG, over TCP, UDP and TLS.
package rtsp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

const (
	maxRedirects = 5
	closeGrace   = 500 * time.Millisecond // to say goodbye to a camera that may not listen
	firstPacket  = 3 * time.Second        // UDP packets come within it, or are held back by something
)

// source is an opened camera: the stream that makes frames of its units, and the session that they come from.
type source struct {
	*live.Stream
	session *session
	once    sync.Once
	err     error
}

// Open connects to a camera and starts its stream. It waits for the camera's answers, and for UDP also for the first
// packet, at most as long as opt says; ctx bounds the opening only. Frames are I420 with even sides. A lost packet costs
// its unit, which counts as a decode error, and all units up to the next key unit. Errors name the camera without its
// password; those that a retry will not mend are *live.Refused.
func Open(ctx context.Context, cfg Config, opt live.Options) (pipeline.Source, error) {
	limited, cancel := context.WithTimeout(ctx, opt.Timeout())
	defer cancel()
	src, err := openAny(limited, cfg, opt)
	if err == nil {
		return src, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%v: %w", cfg, ctx.Err())
	}
	if limited.Err() != nil && !live.IsRefused(err) {
		err = &told{fmt.Errorf("no answer within %v: is the camera on, and is %s right?", opt.Timeout(), cfg.address())}
	}
	return nil, cfg.explain(err)
}

// openAny tries the transports that cfg allows.
func openAny(ctx context.Context, cfg Config, opt live.Options) (*source, error) {
	switch cfg.Transport {
	case UDP:
		return openVia(ctx, cfg, opt, true)
	case Auto:
		src, err := openVia(ctx, cfg, opt, true)
		var u *udpError
		if !errors.As(err, &u) {
			return src, err
		}
		opt.Log.Info().Stringer("source", cfg).Str("reason", cfg.reason(u.err).Error()).Msg("no UDP from the camera: TCP is used")
	}
	return openVia(ctx, cfg, opt, false)
}

// openVia opens by one transport, and goes where the camera sends it.
func openVia(ctx context.Context, cfg Config, opt live.Options, udp bool) (*source, error) {
	for hop := range maxRedirects {
		src, err := openAt(ctx, cfg, opt, udp)
		var r *redirect
		if !errors.As(err, &r) {
			if err != nil && hop > 0 {
				err = &told{cfg.explain(err)}
			}
			return src, err
		}
		if cfg, err = cfg.follow(r.to); err != nil {
			return nil, err
		}
	}
	return nil, &live.Refused{Err: fmt.Errorf("the camera redirects more than %d times", maxRedirects)}
}

func openAt(ctx context.Context, cfg Config, opt live.Options, udp bool) (*source, error) {
	s, err := newSession(ctx, cfg, opt, udp)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	src := &source{Stream: s.stream, session: s}
	if !udp {
		return src, nil
	}
	select {
	case <-s.first:
		return src, nil
	case <-s.done:
		err = s.ended
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(firstPacket):
		err = errNoUDP
	}
	_ = src.Close()
	return nil, &udpError{err}
}

// UnitCounts are the stream's, and those units that were lost on their way, as decode errors.
func (s *source) UnitCounts() pipeline.UnitCounts {
	n, lost := s.Stream.UnitCounts(), s.session.lost.Load()
	n.Units += lost
	n.DecodeError += lost
	return n
}

// Close ends the session. It does not wait for a camera that does not listen.
func (s *source) Close() error {
	s.once.Do(func() {
		s.err = s.Stream.Close() // also for Read, which may wait
		s.session.close()
	})
	return s.err
}
