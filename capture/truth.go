package capture

import (
	"image"
	"time"

	"yfv2d/infer"
	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// Truth tells what is to be seen at a capture time in the test pattern of a spec with truth=1, as detections in pixels of
// the picture as v shows it (masks hide nothing from it). It is nil for every other spec, and for a View that Check refuses.
func Truth(spec string, v View) func(at time.Time) []infer.Detection {
	s, err := parse(spec)
	if err != nil || s.kind != kindTest || !s.pattern.truth || v.Check() != nil {
		return nil
	}
	cfg := s.pattern
	return func(at time.Time) []infer.Detection {
		return v.seen(TestObjects(cfg.size, cfg.objects, at), cfg.size)
	}
}

// seen moves detections, in place, from a picture of that size to where v shows them. What v cuts off is left out.
func (v View) seen(dets []infer.Detection, size image.Point) []infer.Detection {
	part, err := v.part(pipeline.I420, size)
	if err != nil {
		return nil
	}
	degrees, mirror := v.turn()
	shown := yuv.TurnedSize(part.Size(), degrees)
	kept := dets[:0]
	for _, d := range dets {
		b := within(d.Box, part)
		if !(b.X1 > b.X0 && b.Y1 > b.Y0) {
			continue
		}
		if b = turned(b, part.Size(), degrees); mirror {
			b.X0, b.X1 = float32(shown.X)-b.X1, float32(shown.X)-b.X0
		}
		d.Box = b
		kept = append(kept, d)
	}
	return kept
}

// within is the part of a box that lies in r, seen from r's upper left.
func within(b infer.Box, r image.Rectangle) infer.Box {
	x0, y0, x1, y1 := float32(r.Min.X), float32(r.Min.Y), float32(r.Max.X), float32(r.Max.Y)
	return infer.Box{X0: max(b.X0, x0) - x0, Y0: max(b.Y0, y0) - y0, X1: min(b.X1, x1) - x0, Y1: min(b.Y1, y1) - y0}
}

// turned is a box of a picture of that size after a turn clockwise.
func turned(b infer.Box, size image.Point, degrees int) infer.Box {
	w, h := float32(size.X), float32(size.Y)
	switch degrees {
	case 90:
		return infer.Box{X0: h - b.Y1, Y0: b.X0, X1: h - b.Y0, Y1: b.X1}
	case 180:
		return infer.Box{X0: w - b.X1, Y0: h - b.Y1, X1: w - b.X0, Y1: h - b.Y0}
	case 270:
		return infer.Box{X0: b.Y0, Y0: w - b.X1, X1: b.Y1, Y1: w - b.X0}
	}
	return b
}
