package capture

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

const (
	maxVideoPixels = 64 << 20         // more than 8K UHD (33 million); a BGR picture of this size takes 192 MB
	fallbackFPS    = 30.0             // when a file states no rate that can be true
	maxFileFPS     = 1000.0           // no video has more; containers that know nothing state 90000 or infinity
	maxGap         = 10 * time.Second // between two frames; longer steps are bad timestamps unless the rate is that low
)

// video reads a file through OpenCV's FFmpeg backend, once from start to end. Reads are direct: a local file answers
// within a decode's time, so the caller's goroutine does the C call and checks ctx before it. OpenCV opens FFmpeg with as
// many frame threads as there are cores, which gocv cannot change; for a file that is a start-up delay of some frames
// and no measurable CPU time (640x480 H.264: the same with one, two and four threads).
//
// A change of the picture size in the middle of a file is not followed: OpenCV 4.6 goes on in the first size and may give
// a stale picture, or fails, which is an error here.
type video struct {
	path    string
	log     zerolog.Logger
	cap     handle    // nil after Close
	scratch gocv.Mat  // BGR as decoded
	ahead   bool      // scratch holds a frame that was not handed out
	base    time.Time // At of the first frame
	times   mediaClock
	frames  int
	total   float64 // frames that the container announces, 0 if it does not
	cropped bool    // said
	done    bool
}

// openVideo opens a regular file and decodes its first frame, so that what cannot be read fails here.
func openVideo(path string, opt Options) (pipeline.Source, error) {
	if err := probe(path); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path) // FFmpeg would take a relative name such as "concat:x" for a protocol
	if err != nil {
		return nil, err
	}
	vc, err := openHandle(abs)
	if err != nil {
		return nil, fmt.Errorf("%s is %w", path, err)
	}
	w, h := vc.get(gocv.VideoCaptureFrameWidth), vc.get(gocv.VideoCaptureFrameHeight)
	if w*h > maxVideoPixels {
		vc.close()
		return nil, fmt.Errorf("%s has pictures of %.0fx%.0f pixels: the limit is %d million in all", path, w, h, maxVideoPixels>>20)
	}
	v := &video{
		path: path, log: opt.Log, cap: vc, scratch: gocv.NewMat(), base: opt.Clock.Now(),
		times: newMediaClock(vc.get(gocv.VideoCaptureFPS)), total: vc.get(gocv.VideoCaptureFrameCount),
	}
	if err := vc.read(&v.scratch); err != nil {
		_ = v.Close()
		if err == io.EOF {
			err = errors.New("it holds no picture that this FFmpeg can decode")
		}
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	v.ahead = true
	return v, nil
}

// probe finds the faults of a file that the operating system can name better than FFmpeg.
func probe(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return statError(err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); err == io.EOF {
		return fmt.Errorf("%s is empty", path)
	} else if err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return nil
}

// Name is the file's path.
func (v *video) Name() string { return v.path }

func (v *video) Read(ctx context.Context, f *pipeline.Frame) error {
	if v.cap.p == nil {
		return pipeline.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := v.decode(); err == io.EOF {
		v.end()
		return io.EOF
	} else if err != nil {
		return fmt.Errorf("frame %d of %s: %w", v.frames, v.path, err)
	}
	v.ahead = false
	if err := v.convert(f); err != nil {
		return fmt.Errorf("frame %d of %s: %w", v.frames, v.path, err)
	}
	f.At = v.base.Add(v.times.next(v.cap.get(gocv.VideoCapturePosMsec)))
	v.frames++
	return nil
}

// decode makes scratch hold the next picture.
func (v *video) decode() error {
	if v.done {
		return io.EOF
	}
	if v.ahead {
		return nil
	}
	return v.cap.read(&v.scratch)
}

// convert brings the decoded picture into f as I420, without an odd last row or column.
func (v *video) convert(f *pipeline.Frame) error {
	cols, rows := v.scratch.Cols(), v.scratch.Rows()
	size := image.Pt(cols&^1, rows&^1)
	if !v.cropped && size != image.Pt(cols, rows) {
		v.cropped = true
		v.log.Info().Str("file", v.path).Msgf("odd picture size %dx%d cropped to %dx%d", cols, rows, size.X, size.Y)
	}
	if err := f.Prepare(pipeline.I420, size); err != nil {
		return err
	}
	pix, err := v.scratch.DataPtrUint8()
	if err != nil {
		return err
	}
	return yuv.FromBGR(f.Pix(), pix, cols*3, size)
}

// end says once when a file stopped well before its announced length: OpenCV reports damage as an end.
func (v *video) end() {
	if !v.done && v.total > 10 && float64(v.frames) < 0.9*v.total {
		v.log.Warn().Str("file", v.path).Msgf("ended after %d of about %.0f frames: the file is damaged or cut short", v.frames, v.total)
	}
	v.done = true
}

func (v *video) Close() error {
	if v.cap.p == nil {
		return nil
	}
	v.cap.close()
	return v.scratch.Close()
}

// mediaClock turns a file's timestamps into media times that start at 0 and always increase. A step that is not
// positive, not finite or far too long counts as one frame interval.
type mediaClock struct {
	interval time.Duration
	limit    time.Duration // longest step believed
	started  bool
	last     float64 // ms, as the file said
	at       time.Duration
}

func newMediaClock(fps float64) mediaClock {
	if !(fps > 0 && fps <= maxFileFPS) || 1/fps > time.Hour.Seconds() {
		fps = fallbackFPS
	}
	interval := time.Duration(float64(time.Second) / fps)
	return mediaClock{interval: interval, limit: max(maxGap, 3*interval)}
}

// next takes the newest frame's timestamp in milliseconds and gives its media time.
func (m *mediaClock) next(ms float64) time.Duration {
	if !m.started {
		m.started, m.last = true, ms
		return 0
	}
	step := m.interval
	if d := ms - m.last; d > 0 && d <= float64(m.limit.Milliseconds()) {
		step = time.Duration(math.Round(d * float64(time.Millisecond)))
	}
	m.last = ms
	m.at += max(step, 1)
	return m.at
}
