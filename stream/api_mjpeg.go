package stream

import (
	"context"
	"fmt"
	"image"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxMotionViewers bounds the clients of moving JPEG pictures, of all cameras.
	maxMotionViewers = 64
	defaultMotionFPS = 10
	maxMotionFPS     = 30
	// motionBoundary parts the pictures of an answer.
	motionBoundary = "yfv2d-picture"
	// maxWidth bounds ?width=, pixels; no picture is wider.
	maxWidth = 16384
)

// motionPart is a picture as it is sent. The line that ends it comes with it: browsers show a picture when that is there.
func motionPart(jpeg []byte, at time.Time) []byte {
	part := fmt.Appendf(make([]byte, 0, len(jpeg)+200), "Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Capture-Time: %s\r\n\r\n",
		len(jpeg), captureTime(at))
	part = append(part, jpeg...)
	return append(part, "\r\n--"+motionBoundary+"\r\n"...)
}

func captureTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// serveMotion answers with pictures without end, multipart/x-mixed-replace, until the client goes or takes nothing, or the
// camera gives nothing, for a while.
func (s *Server) serveMotion(w http.ResponseWriter, r *http.Request) {
	c := s.camera(w, r)
	if c == nil {
		return
	}
	opt, err := pictureOptions(r.URL.RawQuery)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if c.Broadcaster == nil {
		writeError(w, http.StatusNotFound, fmt.Sprintf("camera %q has no live picture", c.Name))
		return
	}
	if s.motionViewers.Add(1) > maxMotionViewers {
		s.motionViewers.Add(-1)
		w.Header().Set("Retry-After", "10")
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("%d viewers of moving JPEG pictures are all there may be; close some", maxMotionViewers))
		return
	}
	defer s.motionViewers.Add(-1)
	v, first, err := c.firstPicture(r.Context(), opt)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusServiceUnavailable, snapshotError(c, err))
		return
	}
	defer v.leave()
	h := w.Header()
	h.Set("Content-Type", "multipart/x-mixed-replace; boundary="+motionBoundary)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return
	}
	s.sendMotion(newLasting(w, r, s.pace.take), r.Context(), v, first)
}

// firstPicture adds a viewer and waits for its first picture.
func (c *Camera) firstPicture(ctx context.Context, opt pictureOption) (*motionViewer, *motionPicture, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	size := c.Stats().Size
	if size.X == 0 { // the picture's width is not known yet
		if err := c.Broadcaster.awaitFrame(ctx); err != nil {
			return nil, nil, err
		}
		size = c.Stats().Size
	}
	v, err := c.Broadcaster.watchMotion(opt.variant(size), opt.fps)
	if err != nil {
		return nil, nil, err
	}
	first, err := v.next(ctx)
	if err != nil {
		v.leave()
		return nil, nil, err
	}
	return v, first, nil
}

// sendMotion sends pictures as long as they come and are taken.
func (s *Server) sendMotion(out *lasting, ctx context.Context, v *motionViewer, p *motionPicture) {
	if out.send([]byte("--"+motionBoundary+"\r\n")) != nil {
		return
	}
	for {
		if out.send(p.part) != nil {
			return
		}
		wait, cancel := context.WithTimeout(ctx, s.pace.take)
		next, err := v.next(wait)
		cancel()
		if err != nil {
			return
		}
		p = next
	}
}

// pictureOption is what a request for pictures asks for.
type pictureOption struct {
	boxes bool
	width int // pixels; 0: all there are
	fps   float64
}

// variant is the one that is asked for, of pictures of that size.
func (o pictureOption) variant(size image.Point) variant {
	v := variant{kind: plain, quarters: 4}
	if o.boxes {
		v.kind = boxed
	}
	if o.width == 0 || size.X == 0 {
		return v
	}
	for q := 1; q < 4; q++ {
		if smaller := (variant{quarters: q}); smaller.scaled(size).X >= o.width {
			v.quarters = q
			break
		}
	}
	return v
}

// pictureOptions reads ?boxes=, ?width= and ?fps=.
func pictureOptions(query string) (pictureOption, error) {
	opt := pictureOption{boxes: true, fps: defaultMotionFPS}
	values, err := url.ParseQuery(query)
	if err != nil {
		return opt, fmt.Errorf("parameters %s: want name=value joined by &", quote(query))
	}
	switch s := values.Get("boxes"); s {
	case "", "1":
	case "0":
		opt.boxes = false
	default:
		return opt, fmt.Errorf("boxes=%s: use boxes=1 (default) or boxes=0", quote(s))
	}
	if s := values.Get("width"); s != "" {
		if opt.width, err = strconv.Atoi(s); err != nil || opt.width < 1 || opt.width > maxWidth {
			return opt, fmt.Errorf("width=%s: want a whole number of pixels from 1 to %d", quote(s), maxWidth)
		}
	}
	if s := values.Get("fps"); s != "" {
		if opt.fps, err = strconv.ParseFloat(s, 64); err != nil || !(opt.fps >= 1 && opt.fps <= maxMotionFPS) {
			return opt, fmt.Errorf("fps=%s: want a number from 1 to %d", quote(s), maxMotionFPS)
		}
	}
	return opt, nil
}
