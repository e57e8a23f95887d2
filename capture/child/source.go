// Package child takes pictures from programs that write them to standard output: any program, and the one for the Pi's camera.
package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"yfv2d/capture/live"
	"yfv2d/capture/mjpeg"
	"yfv2d/pipeline"
)

// source is a child that writes coded pictures: the stream that makes frames of them, and the goroutine that reads them.
type source struct {
	*live.Stream
	process *process
	format  Format
	done    chan struct{} // closed when the reader has ended
	once    sync.Once
	err     error
}

// Open starts the program, in a process group of its own, and returns without waiting for pictures, except that the length of the rows
// of a Pi's camera may have to be found out; ctx bounds only that. Frames are I420 with even sides. A picture's time is when its first
// byte came: a pipe has next to no jitter, and what a program says of its own clock is not asked for. That the program ends is an error
// with its last words. Close ends the whole group.
func Open(ctx context.Context, cfg Config, opt live.Options) (pipeline.Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", cfg, err)
	}
	if len(cfg.args) == 0 {
		return nil, errEmpty
	}
	if cfg.camera {
		limited, stop := context.WithTimeout(ctx, opt.Timeout())
		defer stop()
		src, err := openCamera(limited, cfg, opt)
		switch {
		case err == nil:
			return src, nil
		case ctx.Err() == nil && limited.Err() != nil:
			return nil, fmt.Errorf("%v the camera gives no picture within %v", cfg, opt.Timeout())
		}
		return nil, err
	}
	name := "exec: " + base(cfg.args[0])
	if cfg.Format.raw() {
		src, err := openRaw(name, cfg.args, cfg, opt)
		if err != nil {
			return nil, err
		}
		return src, nil
	}
	return openCoded(name, cfg, opt)
}

func openCoded(name string, cfg Config, opt live.Options) (pipeline.Source, error) {
	codec := pipeline.JPEG
	switch cfg.Format {
	case H264:
		codec = pipeline.H264
	case H265:
		codec = pipeline.H265
	}
	stream, err := live.NewStream(live.StreamConfig{Options: opt, Codec: codec, Interval: cfg.interval(), Grace: opt.Grace()})
	if err != nil {
		return nil, err
	}
	p, err := start(name, cfg.args, opt.Stuck)
	if err != nil {
		_ = stream.Close()
		return nil, err
	}
	s := &source{Stream: stream, process: p, format: cfg.Format, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.Fail(p.explain(s.read()))
	}()
	return s, nil
}

// Close ends the program and all that it started.
func (s *source) Close() error {
	s.once.Do(func() {
		s.process.stop()
		<-s.done
		s.err = s.Stream.Close()
	})
	return s.err
}

// touch tells the stream of each read.
type touch struct {
	r io.Reader
	s *live.Stream
}

func (t touch) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if n > 0 {
		t.s.Touch()
	}
	return n, err
}

const readSize = 64 << 10 // a pipe holds no more

// read reads until the child ends or writes what cannot be read.
func (s *source) read() error {
	in := bufio.NewReaderSize(touch{s.process.out, s.Stream}, readSize)
	if s.format == Auto {
		f, err := detect(in)
		if err != nil {
			return err
		}
		s.format = f
	}
	switch s.format {
	case MJPEG:
		return s.readJPEG(in)
	case MPEGTS:
		d := newDemuxer(s.splitter)
		return pump(in, d.write, d.flush)
	case H264, H265:
		split, err := s.splitter(pipeline.Codec(s.format))
		if err != nil {
			return err
		}
		return pump(in,
			func(b []byte, at time.Time) error { split.write(b, at); return nil },
			func(time.Time) error { split.flush(); return nil })
	}
	return fmt.Errorf("format %q cannot be read", s.format)
}

// pump reads to the end.
func pump(in io.Reader, write func([]byte, time.Time) error, flush func(time.Time) error) error {
	b := make([]byte, readSize)
	for {
		n, err := in.Read(b)
		if n > 0 {
			if err := write(b[:n], time.Now()); err != nil {
				return err
			}
		}
		if err != nil {
			if ferr := flush(time.Now()); ferr != nil {
				return ferr
			}
			return err
		}
	}
}

func (s *source) readJPEG(in io.Reader) error {
	sc := mjpeg.New(in, live.DefaultMaxBytes, "")
	for {
		p, err := sc.Next()
		if err != nil {
			return err
		}
		s.Push(&pipeline.AccessUnit{At: p.At, Data: p.Data})
	}
}

// splitter makes the splitter of a codec, whose units go to the stream.
func (s *source) splitter(codec pipeline.Codec) (*splitter, error) {
	if err := s.SetCodec(codec); err != nil {
		return nil, err
	}
	return &splitter{h265: codec == pipeline.H265, max: live.DefaultMaxBytes, emit: func(unit []byte, at time.Time) {
		s.Push(&pipeline.AccessUnit{At: at, Data: unit})
	}}, nil
}

// closing is how long a child that closed its output may take to end.
const closing = time.Second

// explain makes an error of why reading ended: how the child ended, if it did, or what it wrote.
func (p *process) explain(err error) error {
	if ended(err) {
		if !p.within(closing) {
			return fmt.Errorf("%s: it closed its output and goes on", p.name)
		}
		return p.err
	}
	var refused *live.Refused
	if errors.As(err, &refused) {
		return &live.Refused{Err: fmt.Errorf("%s: %w", p.name, err)}
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// end is how the child ended.
func (p *process) end() error {
	<-p.done
	return p.err
}
