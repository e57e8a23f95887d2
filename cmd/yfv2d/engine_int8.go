package main

import (
	"errors"
	"fmt"
	"image"
	"math"

	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
)

// How int8 is checked. It cannot agree with a float network to 0.002 in a logit, since it rounds every value inside. What can
// be compared is the same network with the same values rounded, computed in float by OpenCV: then all sums agree until one
// lies on the border of two steps; from there on the two go apart by what rounding is worth. Of small pictures 3 in 4 have no
// such sum (measured, models calibrated on COCO pictures and on dark ones), so one of a few is enough to tell an engine that
// computes what the file says from one that errs. At the full size a bound on the whole catches what depends on it.
const (
	int8Pictures = 8
	// int8Spread bounds the mean difference of int8 and float at the full size, in standard deviations of the logits: on noise
	// 0.05 to 0.09 is measured, 0.23 with models that were calibrated on dark pictures, and numbers that have nothing to do with
	// each other differ by 1.1.
	int8Spread = 0.5
)

var int8Input = image.Pt(infer.MinInput, infer.MinInput)

// openInt8 opens XNNPACK with an int8 model and makes sure that it computes it. float is what c gives in float. The engine is
// the caller's.
func (e engines) openInt8(m *model.Model, c *infer.Canvas, float []float32) (infer.Engine, error) {
	ours, got, err := openOnce(e.xnnpack, m, c)
	if err != nil {
		return nil, fmt.Errorf("XNNPACK: %w", err)
	}
	err = asRounded(m, ours)
	if d := distance(float, got); err == nil && !(d <= int8Spread) {
		err = fmt.Errorf("XNNPACK's int8 differs from float by %.2g of the logits' spread, more than %g", d, int8Spread)
	}
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return ours, nil
}

// asRounded runs small pictures through an int8 engine and through OpenCV with the same rounding, and wants one without a
// difference. An OpenCV that cannot run the rounded network has nothing to say.
func asRounded(m *model.Model, ours infer.Engine) error {
	g, err := m.RoundedGraph(int8Input)
	if err != nil {
		return err
	}
	ref, err := dnn.OpenNet(g)
	if err != nil {
		return nil
	}
	defer ref.Close()
	least := math.Inf(1)
	for seed := range uint32(int8Pictures) {
		c := probeCanvas(int8Input, seed+1)
		got, err := ours.Forward(c)
		if err != nil {
			return fmt.Errorf("XNNPACK: %w", err)
		}
		want, err := ref.Forward(c.Pix)
		if err != nil {
			return fmt.Errorf("OpenCV: %w", err)
		}
		d := farthest(got, want)
		if d <= maxDisagreement {
			return nil
		}
		least = min(least, d)
	}
	return fmt.Errorf("XNNPACK's int8 is not what the file says: a logit is off by %.2g or more on each of %d pictures", least, int8Pictures)
}

// farthest is the largest difference of two outputs of one length; not a number if one of them holds such.
func farthest(a, b []float32) float64 {
	var most float64
	for i := range a {
		if d := math.Abs(float64(a[i] - b[i])); !(d <= most) {
			most = d
			if math.IsNaN(d) {
				break
			}
		}
	}
	return most
}

// distance is the mean difference of two outputs in standard deviations of the first.
func distance(want, got []float32) float64 {
	if len(want) != len(got) {
		return math.Inf(1)
	}
	var mean, spread, diff float64
	n := float64(len(want))
	for i, v := range want {
		mean += float64(v) / n
		diff += math.Abs(float64(v-got[i])) / n
	}
	for _, v := range want {
		spread += (float64(v) - mean) * (float64(v) - mean) / n
	}
	return diff / math.Sqrt(spread)
}
