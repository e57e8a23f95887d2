package v4l2

import (
	"cmp"
	"fmt"
	"image"
	"slices"
	"strings"
	"unsafe"
)

// Mode is a format and size that a camera offers, and its rates.
type Mode struct {
	Format Format
	Size   image.Point
	Max    image.Point // every size from Size to Max is offered (in steps); zero: Size only
	FPS    []float64   // pictures a second, highest first; empty if the camera does not say
	AnyFPS bool        // every rate between the first and the last
	Source string      // the config line's value for this mode at its best rate up to 30
}

// String is "yuyv 640x480 (30, 15)".
func (m Mode) String() string { return string(m.Format) + " " + m.sizes(len(m.FPS)) }

// sizes is String without the format, with so many rates at most and the lowest.
func (m Mode) sizes(most int) string {
	s := fmt.Sprintf("%dx%d", m.Size.X, m.Size.Y)
	if m.Max != (image.Point{}) {
		s += fmt.Sprintf(" to %dx%d", m.Max.X, m.Max.Y)
	}
	if len(m.FPS) == 0 {
		return s
	}
	rates := make([]string, len(m.FPS))
	for i, f := range m.FPS {
		rates[i] = rate(f)
	}
	if m.AnyFPS {
		return s + " (" + strings.Join(rates, " down to ") + ")"
	}
	if len(rates) > most+1 {
		return s + " (" + strings.Join(rates[:most], ", ") + " ... " + rates[len(rates)-1] + ")"
	}
	return s + " (" + strings.Join(rates, ", ") + ")"
}

// has says whether the mode includes a size.
func (m Mode) has(size image.Point) bool {
	if m.Max == (image.Point{}) {
		return m.Size == size
	}
	return size.X >= m.Size.X && size.Y >= m.Size.Y && size.X <= m.Max.X && size.Y <= m.Max.Y
}

// near is how close two rates are to be the same: cameras call 29.97 30.
const near = 0.02

func same(a, b float64) bool { return a <= b*(1+near) && b <= a*(1+near) }

// at is the mode's rate that stands for the wanted one, or with 0 the fastest up to usualFPS, else the slowest.
func (m Mode) at(fps float64) (float64, bool) {
	if len(m.FPS) == 0 {
		if fps == 0 {
			fps = usualFPS
		}
		return fps, true
	}
	fastest, slowest := m.FPS[0], m.FPS[len(m.FPS)-1]
	if fps == 0 {
		if m.AnyFPS && fastest > usualFPS && slowest < usualFPS {
			return usualFPS, true
		}
		for _, f := range m.FPS {
			if f <= usualFPS*(1+near) {
				return f, true
			}
		}
		return slowest, true
	}
	if m.AnyFPS && fps <= fastest && fps >= slowest {
		return fps, true
	}
	for _, f := range m.FPS {
		if same(f, fps) {
			return f, true
		}
	}
	return 0, false
}

const usualFPS = 30

var usualSize = image.Pt(640, 480)

// order is what is preferred at the same rate: what needs no decoding, and of that what USB cameras have.
var order = []Format{YUYV, NV12, MJPEG}

// wish is what a camera is to be set to.
type wish struct {
	format Format
	size   image.Point
	fps    float64
}

func (w wish) String() string {
	return Config{Device: "", Size: w.size, FPS: w.fps, Format: w.format}.asked()
}

// asked is "1920x1080 at 60/s yuyv", with what was asked for.
func (c Config) asked() string {
	var parts []string
	if c.Size != (image.Point{}) {
		parts = append(parts, fmt.Sprintf("%dx%d", c.Size.X, c.Size.Y))
	}
	if c.FPS > 0 {
		parts = append(parts, "at "+rate(c.FPS)+" a second")
	}
	if c.Format != Auto {
		parts = append(parts, "in "+string(c.Format))
	}
	return strings.Join(parts, " ")
}

// choose finds the mode for a config, or says what there is.
func choose(modes []Mode, cfg Config) (wish, error) {
	if len(modes) == 0 {
		return wish{}, fmt.Errorf("the camera offers neither yuyv, mjpeg nor nv12")
	}
	size := cfg.Size
	if size == (image.Point{}) {
		size = usual(modes, cfg.Format)
	}
	var best wish
	for _, format := range order {
		if cfg.Format != Auto && cfg.Format != format {
			continue
		}
		for _, m := range modes {
			if m.Format != format || !m.has(size) {
				continue
			}
			fps, ok := m.at(cfg.FPS)
			if ok && min(fps, usualFPS) > min(best.fps, usualFPS)*(1+near) {
				best = wish{format: format, size: size, fps: fps}
			}
		}
	}
	if best.fps == 0 {
		return wish{}, fmt.Errorf("asked %s, the camera offers %s", cfg.asked(), list(modes))
	}
	return best, nil
}

// usual is usualSize, or the offered size that has the nearest number of pixels.
func usual(modes []Mode, format Format) image.Point {
	best, gap := usualSize, -1
	for _, m := range modes {
		if format != Auto && m.Format != format {
			continue
		}
		if m.has(usualSize) {
			return usualSize
		}
		for _, s := range []image.Point{m.Size, m.Max} {
			d := s.X*s.Y - usualSize.X*usualSize.Y
			if d = max(d, -d); s != (image.Point{}) && (gap < 0 || d < gap) {
				best, gap = s, d
			}
		}
	}
	return best
}

// Bounds of an error's length; USB cameras have up to 20 sizes a format.
const (
	maxListed = 24
	maxRates  = 3
)

// list is "yuyv 640x480 (30, 15), 320x240 (30); mjpeg 1920x1080 (30)".
func list(modes []Mode) string {
	var b strings.Builder
	for i, m := range modes {
		switch {
		case i == maxListed:
			fmt.Fprintf(&b, ", and %d more", len(modes)-i)
			return b.String()
		case i > 0 && m.Format == modes[i-1].Format:
			b.WriteString(", " + m.sizes(maxRates))
			continue
		case i > 0:
			b.WriteString("; ")
		}
		b.WriteString(string(m.Format) + " " + m.sizes(maxRates))
	}
	return b.String()
}

// fourCC are the four letters that V4L2 has for a format.
func (f Format) fourCC() uint32 {
	switch f {
	case YUYV:
		return letters("YUYV")
	case NV12:
		return letters("NV12")
	}
	return letters("MJPG")
}

func letters(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// maxEntries bounds the lists of a driver that does not end them.
const maxEntries = 256

// modes lists what a device offers of the formats that are read, by format in the order of preference, largest first.
func (n node) modes() []Mode {
	var modes []Mode
	for i := range uint32(maxEntries) {
		d := formatDesc{Index: i, Type: bufVideoCapture}
		if n.ask(enumFormats, unsafe.Pointer(&d)) != nil {
			break
		}
		for _, f := range order {
			if f.fourCC() == d.PixelFormat {
				modes = append(modes, n.sizes(f)...)
			}
		}
	}
	return tidy(modes)
}

func tidy(modes []Mode) []Mode {
	slices.SortStableFunc(modes, func(a, b Mode) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Format), slices.Index(order, b.Format)),
			cmp.Compare(b.Size.X*b.Size.Y, a.Size.X*a.Size.Y))
	})
	return slices.CompactFunc(modes, func(a, b Mode) bool { // some cameras list their first size twice
		return a.Format == b.Format && a.Size == b.Size && a.Max == b.Max
	})
}

func (n node) sizes(f Format) []Mode {
	var modes []Mode
	for i := range uint32(maxEntries) {
		e := sizeEnum{Index: i, PixelFormat: f.fourCC()}
		if n.ask(enumSizes, unsafe.Pointer(&e)) != nil {
			break
		}
		m := Mode{Format: f, Size: image.Pt(int(e.Size[0]), int(e.Size[1]))}
		if e.Type != kindDiscrete {
			m.Size, m.Max = image.Pt(int(e.Size[0]), int(e.Size[3])), image.Pt(int(e.Size[1]), int(e.Size[4]))
		}
		m.FPS, m.AnyFPS = n.rates(f, m.Size)
		modes = append(modes, m)
		if e.Type != kindDiscrete {
			break
		}
	}
	if len(modes) == 0 { // a driver that does not list sizes
		modes = []Mode{{Format: f, Size: image.Pt(minSide, minSide), Max: image.Pt(maxSide, maxSide)}}
	}
	return modes
}

// rates lists what goes with a size, highest first, and whether all between them do.
func (n node) rates(f Format, size image.Point) (fps []float64, all bool) {
	for i := range uint32(maxEntries) {
		e := intervalEnum{Index: i, PixelFormat: f.fourCC(), Width: uint32(size.X), Height: uint32(size.Y)}
		if n.ask(enumIntervals, unsafe.Pointer(&e)) != nil {
			break
		}
		if e.Type != kindDiscrete {
			fps, all = []float64{e.Interval[0].fps(), e.Interval[1].fps()}, true
			break
		}
		fps = append(fps, e.Interval[0].fps())
	}
	fps = slices.DeleteFunc(fps, func(f float64) bool { return f <= 0 })
	slices.Sort(fps)
	fps = slices.Compact(fps)
	slices.Reverse(fps)
	return fps, all && len(fps) == 2
}
