package capture

import (
	"context"
	"image"
	"io"
	"math/rand/v2"
	"time"

	"yfv2d/infer"
	"yfv2d/pipeline"
)

// patternConfig is what "test:" takes.
type patternConfig struct {
	size    image.Point // even sides
	fps     float64
	objects int
	frames  uint32 // 0: no end
	truth   bool   // what it shows is told instead of what is found in it, see Truth
	grain   int    // luma by which pixels of the bands differ at random from frame to frame, either way
}

// pattern draws the test picture: a stamp (see ReadStamp) on the top eighth, below it slanting bands that move, and
// objects at the places that TestObjects tells. In real time it behaves as a camera does: a reader that comes late finds
// the newest frame and a gap in the counter.
type pattern struct {
	cfg    patternConfig
	speed  Speed
	clock  Clock
	start  time.Time // of frame 0
	next   uint32
	ramps  [][]byte // rows of the bands, each a band's length longer than the picture; they differ in their grain
	closed bool
}

const (
	bandLength = 256 // pixels
	bandSpeed  = 2   // pixels a frame
	// grains is how many rows of grain there are to choose from: enough that the next frame's are not these moved on.
	grains = 61
)

func newPattern(cfg patternConfig, speed Speed, clock Clock) *pattern {
	p := &pattern{cfg: cfg, speed: speed, clock: clock, start: clock.Now(), ramps: make([][]byte, 1)}
	if cfg.grain > 0 {
		p.ramps = make([][]byte, grains)
	}
	rng := rand.New(rand.NewPCG(1, 1)) // the same picture each time
	for i := range p.ramps {
		p.ramps[i] = make([]byte, cfg.size.X+bandLength)
		for x := range p.ramps[i] {
			d := x % bandLength
			p.ramps[i][x] = byte(64 + min(d, bandLength-d) + rng.IntN(2*cfg.grain+1) - cfg.grain) // 64..192 and the grain
		}
	}
	return p
}

// due is the moment of frame n.
func (p *pattern) due(n uint32) time.Time {
	return p.start.Add(time.Duration(float64(n) / p.cfg.fps * float64(time.Second)))
}

// skipMissed moves on to the newest frame that is due, as a camera would.
func (p *pattern) skipMissed() {
	passed := p.clock.Now().Sub(p.start).Seconds() * p.cfg.fps
	if n := uint32(max(0, passed)); n > p.next {
		p.next = n
	}
}

func (p *pattern) Read(ctx context.Context, f *pipeline.Frame) error {
	if p.closed {
		return pipeline.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.speed == Realtime {
		p.skipMissed()
	}
	if p.cfg.frames > 0 && p.next >= p.cfg.frames {
		return io.EOF
	}
	at := p.due(p.next)
	if p.speed == Realtime {
		if err := p.clock.WaitUntil(ctx, at); err != nil {
			return err
		}
	}
	if err := f.Prepare(pipeline.I420, p.cfg.size); err != nil {
		return err
	}
	f.At = at
	p.draw(f, p.next)
	p.next++
	return nil
}

func (p *pattern) draw(f *pipeline.Frame, n uint32) {
	w, h := p.cfg.size.X, p.cfg.size.Y
	y, u, v := f.Planes()
	for r := stampHeight(h); r < h; r++ {
		from := (r + int(n%bandLength)*bandSpeed) % bandLength
		copy(y[r*w:(r+1)*w], p.ramps[(r*7+int(n%grains)*13)%len(p.ramps)][from:])
	}
	fill(u, 128)
	fill(v, 128)
	drawStamp(y, w, h, stampBits(n, f.At))
	for i, d := range TestObjects(p.cfg.size, p.cfg.objects, f.At) {
		drawObject(f, d.Box, objectColours[i])
	}
}

func stampHeight(h int) int { return cellEdge(stampRows, stampParts, h) }

// objectColours are Y, U, V of the objects: red, blue, yellow, green, magenta, cyan, orange, white.
var objectColours = [maxObjects][3]byte{
	{81, 90, 240}, {41, 240, 110}, {210, 16, 146}, {145, 54, 34},
	{106, 202, 222}, {170, 166, 16}, {150, 50, 190}, {235, 128, 128},
}

// drawObject fills a box with a colour; the box has even corners inside the picture.
func drawObject(f *pipeline.Frame, b infer.Box, c [3]byte) {
	w := f.Size().X
	y, u, v := f.Planes()
	x0, y0, x1, y1 := int(b.X0), int(b.Y0), int(b.X1), int(b.Y1)
	for r := y0; r < y1; r++ {
		fill(y[r*w+x0:r*w+x1], c[0])
	}
	for r := y0 / 2; r < y1/2; r++ {
		fill(u[r*w/2+x0/2:r*w/2+x1/2], c[1])
		fill(v[r*w/2+x0/2:r*w/2+x1/2], c[2])
	}
}

// TestObjects tells where a test pattern of this size with n objects (at most 8) shows them at a capture time, of which
// only whole milliseconds count, so that a frame's stamp is enough. Each object has its own lane below the stamp and moves
// there from side to side without meeting another; object i has class i, score 1 and a colour of its own. Corners are even.
func TestObjects(size image.Point, n int, at time.Time) []infer.Detection {
	n = min(n, maxObjects)
	top := stampHeight(size.Y) + 2
	objects := make([]infer.Detection, 0, max(n, 0))
	for i := range n {
		lane := (size.Y - top) / n
		h := max(2, lane*3/4&^1)
		w := max(2, min(h, size.X/3)&^1)
		period := int64(4000 + 1000*i) // ms, there and back
		phase := (at.UnixMilli() + int64(i)*700) % period
		way := min(phase, period-phase) * 2 // 0..period
		x0 := int(int64(size.X-w)*way/period) &^ 1
		y0 := (top + i*lane + (lane-h)/2) &^ 1
		box := infer.Box{X0: float32(x0), Y0: float32(y0), X1: float32(x0 + w), Y1: float32(y0 + h)}
		objects = append(objects, infer.Detection{Box: box, Class: i, Score: 1})
	}
	return objects
}

func (p *pattern) Close() error {
	p.closed = true
	return nil
}
