package tracker

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"yfv2d/infer"
)

// FuzzUpdate feeds raw bits as detections and times: no panic, ids unique, rising and
// ended once, figures finite and in range, boxes not inside out.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), uint8(2))
	f.Add(make([]byte, 200), uint8(0))
	f.Add([]byte("\x00\x86\x01\x00\x02abcdefgh\x00\xfaabcdefgh\x00\xfa\x00\x86\x01\x00\xffabcdefgh"), uint8(3))
	f.Fuzz(func(t *testing.T, raw []byte, groups uint8) {
		cfg := DefaultConfig()
		cfg.Groups = make([]int, groups)
		tr := New(cfg)
		at, top, gone := t0, 0, map[int]bool{}
		for len(raw) >= 8 {
			at = at.Add(time.Duration(int32(binary.LittleEndian.Uint32(raw))) * time.Microsecond)
			n, reset := int(raw[4]%8), raw[4]>>3 == 31
			raw = raw[5:]
			var dets []infer.Detection
			for ; n > 0 && len(raw) >= 10; n-- {
				dets = append(dets, fuzzed(raw))
				raw = raw[10:]
			}
			var snap *Snapshot
			if reset {
				snap = tr.Reset(at)
			} else {
				snap = tr.Update(dets, at)
			}
			check(t, snap.All(), &top)
			for _, k := range snap.Ended() {
				if k.ID == 0 || k.State != Ended || gone[k.ID] {
					t.Fatalf("ended: %+v", k)
				}
				gone[k.ID] = true
			}
			for _, k := range snap.All() {
				if gone[k.ID] || k.State == Ended {
					t.Fatalf("back from its end: %+v", k)
				}
			}
			for _, d := range []time.Duration{-time.Hour, -time.Millisecond, 0, 40 * time.Millisecond, time.Hour} {
				shown := 0
				check(t, snap.At(snap.Time.Add(d)), &shown)
			}
		}
	})
}

// fuzzed reads a box in tenths of a pixel, or as raw floats.
func fuzzed(raw []byte) infer.Detection {
	word := func(i int) float32 { return float32(int16(binary.LittleEndian.Uint16(raw[i:]))) / 10 }
	d := infer.Detection{Class: int(raw[8] % 4), Score: float32(raw[9]) / 250}
	x, y := word(0), word(2)
	d.Box = infer.Box{X0: x, Y0: y, X1: x + word(4), Y1: y + word(6)}
	if raw[8]&0x80 != 0 {
		d.Box.X1 = math.Float32frombits(binary.LittleEndian.Uint32(raw))
		d.Box.Y1 = math.Float32frombits(binary.LittleEndian.Uint32(raw[4:]))
	}
	return d
}

func check(t *testing.T, tracks []Track, top *int) {
	last := 0
	for _, tr := range tracks {
		for _, v := range []float32{tr.Box.X0, tr.Box.Y0, tr.Box.X1, tr.Box.Y1, tr.VX, tr.VY, tr.SX, tr.SY, tr.Score, tr.BestScore} {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("not finite: %+v", tr)
			}
		}
		if tr.Box.W() < 0 || tr.Box.H() < 0 || tr.Age < 0 || tr.Unseen < 0 {
			t.Fatalf("inside out: %+v", tr)
		}
		if tr.SX < 0 || tr.SY < 0 || tr.Detections < 1 || tr.BestScore < tr.Score-1e-6 || tr.BestScore > 1 {
			t.Fatalf("out of range: %+v", tr)
		}
		if tr.Stationary() && tr.StationarySince.Before(tr.FirstSeen) || tr.StationaryFor() > tr.Age || tr.StationaryFor() < 0 {
			t.Fatalf("stationary: %+v", tr)
		}
		if (tr.ID == 0) != (tr.State == Tentative) {
			t.Fatalf("id and state: %+v", tr)
		}
		if tr.ID != 0 && tr.ID <= last {
			t.Fatalf("ids do not rise: %+v", tracks)
		}
		last = max(last, tr.ID)
	}
	*top = max(*top, last)
}
