// Package webcam takes pictures from cameras that speak HTTP: an endless MJPEG stream, or a JPEG picture for each question.
package webcam

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"yfv2d/capture/live"
	"yfv2d/capture/mjpeg"
	"yfv2d/pipeline"
)

// source is an opened camera: the stream that makes frames of its pictures, and the goroutine that reads them.
type source struct {
	*live.Stream
	client *client
	limit  time.Duration // of one question
	cancel context.CancelFunc
	done   chan struct{} // closed when the reader has ended
	once   sync.Once
	err    error
}

// Open asks the camera and starts to read what it answers. It waits for the head of the answer, at most as long as opt says; ctx
// bounds the opening only. Frames are I420 with even sides. A picture of an answer of its own counts even if it is the same as
// before. Errors name the camera without its password; those that a retry will not mend are *live.Refused.
func Open(ctx context.Context, cfg Config, opt live.Options) (pipeline.Source, error) {
	if cfg.url == nil {
		return nil, errors.New("open a camera on HTTP: the configuration is empty: Parse makes one")
	}
	limited, stop := context.WithTimeout(ctx, opt.Timeout())
	defer stop()
	life, cancel := context.WithCancel(context.Background())
	release := context.AfterFunc(limited, cancel)
	c := newClient(cfg, opt)
	src, err := open(life, c, opt)
	if err == nil && release() {
		src.cancel = cancel
		src.start(life)
		return src.source, nil
	}
	cancel()
	if err == nil { // ctx ended in the last moment
		_ = src.body.Close()
		_ = src.Stream.Close()
		err = context.Canceled
	}
	c.close()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%v: %w", cfg, ctx.Err())
	}
	if limited.Err() != nil && !live.IsRefused(err) {
		err = fmt.Errorf("no answer within %v: is the camera on, and is %s right?", opt.Timeout(), address(cfg.url))
	}
	return nil, cfg.explain(err)
}

// opening is a source whose answer has begun.
type opening struct {
	*source
	answer
}

// answer is the begun answer of a camera.
type answer struct {
	body  io.ReadCloser
	came  time.Time
	still bool   // one picture; else a stream of them
	delim string // between the pictures of a stream; may be empty
}

func open(ctx context.Context, c *client, opt live.Options) (*opening, error) {
	a, err := c.answer(ctx)
	if err != nil {
		return nil, err
	}
	cfg := live.StreamConfig{Options: opt, Codec: pipeline.JPEG}
	if a.still || c.cfg.FPS > 0 {
		cfg.Interval = c.cfg.pause()
	}
	stream, err := live.NewStream(cfg)
	if err != nil {
		_ = a.body.Close()
		return nil, err
	}
	return &opening{&source{Stream: stream, client: c, limit: opt.Timeout(), done: make(chan struct{})}, a}, nil
}

// start starts the reader, which ends with ctx.
func (o *opening) start(ctx context.Context) {
	go func() {
		defer close(o.done)
		read := o.stream
		if o.still {
			read = o.poll
		}
		if err := read(ctx, o.answer); ctx.Err() == nil {
			o.Fail(o.client.cfg.explain(err))
		}
	}()
}

// Close ends the connection.
func (s *source) Close() error {
	s.once.Do(func() {
		s.cancel()
		<-s.done
		s.client.close()
		s.err = s.Stream.Close()
	})
	return s.err
}

// answer asks, and looks at what kind of answer comes.
func (c *client) answer(ctx context.Context) (answer, error) {
	res, err := c.get(ctx)
	if err != nil {
		return answer{}, err
	}
	a := answer{body: res.Body, came: time.Now()}
	if err := a.judge(res); err != nil {
		_ = res.Body.Close()
		return answer{}, err
	}
	return a, nil
}

// judge finds out what an answer holds.
func (a *answer) judge(res *http.Response) error {
	kind, params, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		a.delim = boundary(params)
		return nil
	case kind == "image/jpeg", kind == "image/jpg", kind == "image/pjpeg":
		a.still = true
		return nil
	case kind == "video/x-motion-jpeg", kind == "video/mjpeg", kind == "video/x-mjpeg", kind == "video/x-jpeg":
		return nil
	case kind == "", kind == "application/octet-stream":
		return a.sniff(res)
	case kind == "text/html":
		return live.Refuse("the answer is text/html: is this the camera's page and not its stream?")
	case strings.HasPrefix(kind, "video/"), strings.HasPrefix(kind, "application/"), strings.HasPrefix(kind, "audio/"):
		return live.Refuse("the answer is %q: over HTTP only MJPEG and JPEG are supported; for H.264 write the camera's rtsp:// address", clean(kind))
	}
	return live.Refuse("the answer is %q: over HTTP only MJPEG and JPEG are supported", clean(kind))
}

// boundary reads the parameters of a multipart type, which cameras quote, pad and spell as they like.
func boundary(params string) string {
	for _, p := range strings.Split(params, ";") {
		key, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "boundary") {
			continue
		}
		if value = strings.TrimLeft(strings.Trim(value, " \t\"'"), "-"); value != "" {
			return "--" + value
		}
	}
	return ""
}

// sniffed is how much of an answer of no type is looked at.
const sniffed = 512

// sniff looks at the beginning of an answer that does not say what it is.
func (a *answer) sniff(res *http.Response) error {
	b := bufio.NewReaderSize(res.Body, sniffed)
	head, err := b.Peek(3)
	if err != nil {
		return fmt.Errorf("the answer says neither what it is nor has it anything in it: %w", err)
	}
	a.body = struct {
		io.Reader
		io.Closer
	}{b, res.Body}
	switch {
	case string(head) == "\xff\xd8\xff":
		a.still = res.ContentLength >= 0
		return nil
	case strings.HasPrefix(string(head), "--"), strings.HasPrefix(string(head), "\r\n"):
		return nil
	}
	head, _ = b.Peek(b.Buffered())
	return live.Refuse("the answer does not say what it is, and looks like %s: over HTTP only MJPEG and JPEG are supported", http.DetectContentType(head))
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

// stream reads a stream of pictures to its end.
func (s *source) stream(_ context.Context, a answer) error {
	defer a.body.Close()
	sc := mjpeg.New(touch{a.body, s.Stream}, live.DefaultMaxBytes, a.delim)
	for {
		p, err := sc.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the camera ended the stream")
		}
		if err != nil {
			return err
		}
		s.Push(&pipeline.AccessUnit{At: p.At, Data: p.Data})
	}
}

// poll asks for picture after picture. It never asks whether the picture is another than before (If-None-Match): a camera that
// answers that wrongly would seem to stand still.
func (s *source) poll(ctx context.Context, a answer) error {
	tick := time.NewTicker(s.client.cfg.pause())
	defer tick.Stop()
	for {
		if err := s.picture(a); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		if a, err = s.question(ctx); err != nil {
			return err
		}
	}
}

// question asks for a picture, within the time limit for the whole answer.
func (s *source) question(ctx context.Context) (answer, error) {
	limited, stop := context.WithTimeout(ctx, s.limit)
	a, err := s.client.answer(limited)
	if err != nil {
		stop()
		return answer{}, err
	}
	if !a.still {
		stop()
		_ = a.body.Close()
		return answer{}, errors.New("the camera gave pictures, and now a stream")
	}
	a.body = stopper{a.body, stop}
	return a, nil
}

// stopper ends a context with a body.
type stopper struct {
	io.ReadCloser
	stop context.CancelFunc
}

func (s stopper) Close() error {
	err := s.ReadCloser.Close()
	s.stop()
	return err
}

// picture reads the picture of an answer.
func (s *source) picture(a answer) error {
	defer a.body.Close()
	data, err := io.ReadAll(io.LimitReader(touch{a.body, s.Stream}, live.DefaultMaxBytes+1))
	if err != nil {
		return err
	}
	if len(data) > live.DefaultMaxBytes {
		return live.Refuse("a picture of more than %d MiB", live.DefaultMaxBytes>>20)
	}
	s.Push(&pipeline.AccessUnit{At: a.came, Data: data})
	return nil
}
