package avdec_test

import (
	"crypto/md5"
	"encoding/hex"
	"testing"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

func newDecoder(t testing.TB, codec pipeline.Codec) *avdec.Decoder {
	t.Helper()
	d, err := avdec.New(codec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func newFrame(t testing.TB) *pipeline.Frame {
	t.Helper()
	f := pipeline.NewFrame()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func sum(f *pipeline.Frame) string {
	h := md5.Sum(f.Pix())
	return hex.EncodeToString(h[:])
}

// TestBitExact: what comes out is what the ffmpeg command makes of the same clip, in the same order, and a stream without
// B-frames gives a picture for each unit at once.
func TestBitExact(t *testing.T) {
	for _, tc := range []struct {
		name  string
		delay int
	}{
		{"plain.h264", 0}, {"bframes.h264", 2}, {"refresh.h264", 0}, {"open.h264", 2},
		{"plain.h265", 0}, {"bframes.h265", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := readClip(t, tc.name)
			d, f := newDecoder(t, c.codec), newFrame(t)
			var got []string
			take := func() {
				for {
					p, ok, err := d.Receive()
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						return
					}
					if p.Damaged {
						t.Fatalf("picture of unit %d: damaged", p.Tag)
					}
					if err := d.Convert(f); err != nil {
						t.Fatal(err)
					}
					got = append(got, sum(f))
				}
			}
			for i, u := range c.units {
				if err := d.Send(u, int64(i)); err != nil {
					t.Fatalf("unit %d: %v", i, err)
				}
				take()
				if tc.delay == 0 && len(got) != i+1 {
					t.Fatalf("%d pictures after %d units", len(got), i+1)
				}
			}
			if d.Delay() != tc.delay {
				t.Errorf("delay %d, want %d", d.Delay(), tc.delay)
			}
			if err := d.Drain(); err != nil {
				t.Fatal(err)
			}
			take()
			if len(got) != len(c.md5) {
				t.Fatalf("%d pictures, want %d", len(got), len(c.md5))
			}
			for i := range got {
				if got[i] != c.md5[i] {
					t.Fatalf("picture %d differs from what ffmpeg makes of it", i)
				}
			}
		})
	}
}
