package capture

import (
	"context"

	"yfv2d/capture/child"
	"yfv2d/capture/live"
	"yfv2d/capture/rtsp"
	"yfv2d/capture/v4l2"
	"yfv2d/capture/webcam"
	"yfv2d/pipeline"
)

// outside parses source strings of the outside world, by scheme. What it returns opens the source; errors of both name
// the source, without its password.
var outside = map[string]func(spec string) (outsideOpener, error){
	"rtsp":  parseRTSP,
	"rtsps": parseRTSP,
	"http":  parseHTTP,
	"https": parseHTTP,
	"v4l2":  parseV4L2,

	"exec":      parseChild,
	"libcamera": parseChild,
}

type outsideOpener func(ctx context.Context, opt Options, from live.Options) (pipeline.Source, error)

func parseRTSP(spec string) (outsideOpener, error) {
	cfg, err := rtsp.Parse(spec)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, opt Options, from live.Options) (pipeline.Source, error) {
		if cfg.Transport, err = rtsp.ParseTransport(opt.Transport); err != nil {
			return nil, err
		}
		cfg.TLSInsecure, cfg.Fingerprint = opt.TLSInsecure, opt.TLSFingerprint
		return rtsp.Open(ctx, cfg, from)
	}, nil
}

func parseHTTP(spec string) (outsideOpener, error) {
	cfg, err := webcam.Parse(spec)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, opt Options, from live.Options) (pipeline.Source, error) {
		cfg.TLSInsecure, cfg.Fingerprint = opt.TLSInsecure, opt.TLSFingerprint
		return webcam.Open(ctx, cfg, from)
	}, nil
}

func parseV4L2(spec string) (outsideOpener, error) {
	cfg, err := v4l2.Parse(spec)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ Options, from live.Options) (pipeline.Source, error) {
		return v4l2.Open(ctx, cfg, from)
	}, nil
}

func parseChild(spec string) (outsideOpener, error) {
	cfg, err := child.Parse(spec)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ Options, from live.Options) (pipeline.Source, error) {
		return child.Open(ctx, cfg, from)
	}, nil
}
