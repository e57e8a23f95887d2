package avdec_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"strings"
	"testing"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

// quadrants are the colours of the pictures in testdata/formats, from the upper left, row by row.
var quadrants = [4]color.RGBA{{R: 255}, {G: 0xc0}, {R: 0x20, G: 0x40, B: 0xff}, {R: 0xc0, G: 0xc0, B: 0xc0}}

// bt601 is a colour in BT.601 limited range.
func bt601(c color.RGBA) [3]float64 {
	r, g, b := float64(c.R)/255, float64(c.G)/255, float64(c.B)/255
	return [3]float64{
		16 + 65.481*r + 128.553*g + 24.966*b,
		128 - 37.797*r - 74.203*g + 112*b,
		128 + 112*r - 93.786*g - 18.214*b,
	}
}

// TestFormats: the same four colours come out of every pixel format, range and matrix, to within what coding and rounding
// do. Unsaid is taken as BT.601 limited range, as it stands.
func TestFormats(t *testing.T) {
	for _, name := range []string{
		"420.h264", "420-unsaid.h264", "420-bt709.h264", "420-full.h264", "420-full-bt709.h264", "422.h264", "444-bt709.h264",
		"420p10.h264", "422p10-bt709.h264", "444p10.h264", "420p10-bt709.h265", "420-bt2020.h265",
		"420.mjpeg", "422.mjpeg", "444.mjpeg", "odd.mjpeg",
	} {
		t.Run(name, func(t *testing.T) {
			c := readClip(t, "formats/"+name)
			f := decodeOne(t, c.codec, c.units[0])
			want := image.Pt(64, 48)
			if name == "odd.mjpeg" {
				want = image.Pt(62, 46)
			}
			if f.Size() != want {
				t.Fatalf("%v pixels, want %v", f.Size(), want)
			}
			for i, q := range quadrants {
				at := image.Pt(16+32*(i%2), 12+24*(i/2))
				checkColour(t, f, at, bt601(q), 4)
			}
		})
	}
}

func TestGrey(t *testing.T) {
	for _, tc := range []struct {
		name string
		luma uint8
		want [3]float64
	}{
		{"black", 0, [3]float64{16, 128, 128}}, {"white", 255, [3]float64{235, 128, 128}}, {"mid", 128, [3]float64{126, 128, 128}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := image.NewGray(image.Rect(0, 0, 33, 17))
			for i := range m.Pix {
				m.Pix[i] = tc.luma
			}
			var buf bytes.Buffer
			if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 95}); err != nil {
				t.Fatal(err)
			}
			f := decodeOne(t, pipeline.JPEG, buf.Bytes())
			checkColour(t, f, image.Pt(16, 8), tc.want, 1)
		})
	}
}

func TestUnsupportedFormats(t *testing.T) {
	for _, tc := range []struct{ name, format string }{{"rgb.h264", "gbrp"}, {"420p12.h265", "yuv420p12le"}} {
		t.Run(tc.name, func(t *testing.T) {
			c := readClip(t, "formats/"+tc.name)
			d, f := newDecoder(t, c.codec), newFrame(t)
			if err := d.Send(c.units[0], 1); err != nil {
				t.Fatal(err)
			}
			if _, ok, err := d.Receive(); err != nil || !ok {
				t.Fatalf("picture %v, error %v", ok, err)
			}
			var unsupported *avdec.Unsupported
			err := d.Convert(f)
			if !errors.As(err, &unsupported) || unsupported.Format != tc.format || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// decodeOne gives a unit's picture.
func decodeOne(t *testing.T, codec pipeline.Codec, unit []byte) *pipeline.Frame {
	t.Helper()
	d, f := newDecoder(t, codec), newFrame(t)
	if err := d.Send(unit, 1); err != nil {
		t.Fatal(err)
	}
	p, ok, err := d.Receive()
	if err != nil || !ok || p.Damaged {
		t.Fatalf("picture %v, %+v, error %v", ok, p, err)
	}
	if err := d.Convert(f); err != nil {
		t.Fatal(err)
	}
	return f
}

// checkColour compares the luma around a place, and the chroma there.
func checkColour(t *testing.T, f *pipeline.Frame, at image.Point, want [3]float64, by float64) {
	t.Helper()
	y, u, v := f.Planes()
	w := f.Size().X
	got := [3]uint8{y[at.Y*w+at.X], u[at.Y/2*w/2+at.X/2], v[at.Y/2*w/2+at.X/2]}
	for i := range got {
		if math.Abs(float64(got[i])-want[i]) > by {
			t.Errorf("%v at %v, want %.0f", got, at, want)
			return
		}
	}
}
