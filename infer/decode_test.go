package infer

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// testHead has odd numbers on purpose: three scales, differing anchor counts.
var testHead = Head{
	Classes: 7,
	Strides: []int{8, 16, 32},
	Anchors: [][][2]float32{{{10, 20}}, {{30, 30}, {50, 90}}, {{120, 80}, {130, 200}, {250, 250}}},
}

// officialHead is that of the published network.
var officialHead = Head{
	Classes: 80,
	Strides: []int{16, 32},
	Anchors: [][][2]float32{
		{{12.64, 19.39}, {37.88, 51.48}, {55.71, 138.31}},
		{{126.91, 78.23}, {131.57, 214.55}, {279.92, 258.87}},
	},
}

// literal decodes as the network's paper trail says, with no shortcut: every sigmoid, every softmax, then the
// threshold, then suppression by naiveNMS.
func literal(heads []float32, size image.Point, h Head, t Thresholds) []Detection {
	var all []Detection
	for s, stride := range h.Strides {
		gw, gh := size.X/stride, size.Y/stride
		cells, na := gw*gh, len(h.Anchors[s])
		reg, obj, cls := heads, heads[4*na*cells:], heads[5*na*cells:]
		heads = heads[(5*na+h.Classes)*cells:]
		for a, anchor := range h.Anchors[s] {
			for y := range gh {
				for x := range gw {
					at := func(plane []float32, c int) float64 { return float64(plane[c*cells+y*gw+x]) }
					sig := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
					probs, sum := make([]float64, h.Classes), 0.0
					for c := range probs {
						probs[c] = math.Exp(at(cls, c))
						sum += probs[c]
					}
					best := 0
					for c := range probs {
						if probs[c] > probs[best] {
							best = c
						}
					}
					score := float32(sig(at(obj, a)) * probs[best] / sum)
					thr := t.Score
					if v, ok := t.Class[best]; ok {
						thr = v
					}
					if score <= thr || len(t.Only) > 0 && !slices.Contains(t.Only, best) {
						continue
					}
					cx := (2*sig(at(reg, a*4)) - 0.5 + float64(x)) * float64(stride)
					cy := (2*sig(at(reg, a*4+1)) - 0.5 + float64(y)) * float64(stride)
					w := math.Pow(2*sig(at(reg, a*4+2)), 2) * float64(anchor[0])
					ht := math.Pow(2*sig(at(reg, a*4+3)), 2) * float64(anchor[1])
					all = append(all, Detection{Box{float32(cx - w/2), float32(cy - ht/2), float32(cx + w/2), float32(cy + ht/2)}, best, score})
				}
			}
		}
	}
	return naiveNMS(all, t.NMS)
}

// naiveNMS takes the best box left, drops what overlaps it, and starts over.
func naiveNMS(dets []Detection, iou float32) []Detection {
	var out []Detection
	left := slices.Clone(dets)
	for len(left) > 0 {
		best := 0
		for i := range left {
			if left[i].Score > left[best].Score {
				best = i
			}
		}
		b := left[best]
		out = append(out, b)
		left = slices.DeleteFunc(slices.Delete(left, best, best+1), func(d Detection) bool {
			return d.Class == b.Class && d.Box.IoU(b.Box) > iou
		})
	}
	return out
}

func randomHeads(r *rand.Rand, h Head, size image.Point, objBias float64) []float32 {
	n, err := h.Len(size)
	if err != nil {
		panic(err)
	}
	heads := make([]float32, n)
	for i := range heads {
		heads[i] = float32(r.NormFloat64() * 2)
	}
	rest := heads
	for s, stride := range h.Strides {
		cells, na := size.X/stride*(size.Y/stride), len(h.Anchors[s])
		for i := range na * cells {
			rest[4*na*cells+i] += float32(objBias)
		}
		rest = rest[(5*na+h.Classes)*cells:]
	}
	return heads
}

func TestDecodeAgainstLiteral(t *testing.T) {
	rows := []struct {
		name string
		t    Thresholds
		bias float64
	}{
		{"usual", Thresholds{Score: 0.3, NMS: 0.4}, -2},
		{"low", Thresholds{Score: 0.01, NMS: 0.4}, -5},
		{"no suppression", Thresholds{Score: 0.3, NMS: 1}, -2},
		{"full suppression", Thresholds{Score: 0.3, NMS: 0}, -1},
		{"per class", Thresholds{Score: 0.5, Class: map[int]float32{0: 0.1, 3: 0.9}, NMS: 0.4}, -2},
		{"only two", Thresholds{Score: 0.2, Only: []int{1, 4}, NMS: 0.4}, -2},
		{"only and per class", Thresholds{Score: 0.2, Only: []int{1, 4}, Class: map[int]float32{1: 0.6, 2: 0.01}, NMS: 0.4}, -2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			d, err := NewDecoder(testHead, row.t)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for range 40 {
				size := image.Pt(InputStep*(1+r.IntN(6)), InputStep*(1+r.IntN(6)))
				heads := randomHeads(r, testHead, size, row.bias)
				// A source as large as a plane around the canvas, so that nothing is clipped.
				in := image.Pt(4000, 4000)
				lb := Letterbox{In: in, Out: size, Content: image.Rectangle{Max: in}.Sub(image.Pt(2000, 2000))}
				got, err := d.Decode(heads, size, lb)
				if err != nil {
					t.Fatal(err)
				}
				want := literal(heads, size, testHead, row.t)
				found += len(want)
				compare(t, got, want, 2000)
			}
			if found == 0 {
				t.Fatal("nothing to compare")
			}
		})
	}
}

func compare(t *testing.T, got, want []Detection, shift float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d detections, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		off := max(abs(g.Box.X0-w.Box.X0-shift), abs(g.Box.Y0-w.Box.Y0-shift), abs(g.Box.X1-w.Box.X1-shift), abs(g.Box.Y1-w.Box.Y1-shift))
		if g.Class != w.Class || abs(g.Score-w.Score) > 1e-5 || off > 0.01 {
			t.Fatalf("detection %d is %+v, want %+v", i, g, w)
		}
	}
}

func abs(v float32) float32 { return float32(math.Abs(float64(v))) }

func TestSuppressAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		dets := make([]Detection, r.IntN(60))
		for i := range dets {
			x, y := r.Float32()*100, r.Float32()*100
			dets[i] = Detection{Box{x, y, x + r.Float32()*80 - 5, y + r.Float32()*80 - 5}, r.IntN(3), r.Float32()}
		}
		iou := r.Float32()
		want := naiveNMS(dets, iou)
		slices.SortStableFunc(dets, byScore)
		if got := suppress(dets, iou); !slices.Equal(got, want) {
			t.Fatalf("IoU %g: got %v, want %v", iou, got, want)
		}
	}
}

// Whatever the network says, boxes are finite, inside the picture, ordered, and bounded in number.
func TestDecodeOfAbsurdHeads(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	absurd := []float32{nan, inf, -inf, math.MaxFloat32, -math.MaxFloat32, 0, 88, -88, 1e-40}
	r := rand.New(rand.NewPCG(9, 10))
	size, in := image.Pt(352, 352), image.Pt(640, 480)
	for _, score := range [...]float32{0, 0.01, 0.3, 1} {
		d, err := NewDecoder(officialHead, Thresholds{Score: score, NMS: 1})
		if err != nil {
			t.Fatal(err)
		}
		n, _ := officialHead.Len(size)
		heads := make([]float32, n)
		for round := range 30 {
			for i := range heads {
				switch {
				case round < len(absurd):
					heads[i] = absurd[round]
				case r.IntN(3) == 0:
					heads[i] = absurd[r.IntN(len(absurd))]
				default:
					heads[i] = float32(r.NormFloat64() * 10)
				}
			}
			dets, err := d.Decode(heads, size, NewLetterbox(in, size))
			if err != nil {
				t.Fatal(err)
			}
			checkSane(t, dets, in)
		}
	}
}

func checkSane(t *testing.T, dets []Detection, in image.Point) {
	t.Helper()
	if len(dets) > MaxCandidates {
		t.Fatalf("%d detections", len(dets))
	}
	for i, d := range dets {
		inside := d.Box.X0 >= 0 && d.Box.Y0 >= 0 && d.Box.X1 <= float32(in.X) && d.Box.Y1 <= float32(in.Y) && d.Box.Area() > 0
		if !inside || !(d.Score > 0 && d.Score <= 1) || d.Class < 0 || d.Class >= officialHead.Classes {
			t.Fatalf("detection %d: %+v", i, d)
		}
		if i > 0 && d.Score > dets[i-1].Score {
			t.Fatalf("detection %d out of order", i)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	d, err := NewDecoder(testHead, Thresholds{Score: 0.3, NMS: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	ok := NewStretch(image.Pt(64, 64), image.Pt(64, 64))
	for _, row := range []struct {
		name string
		n    int
		size image.Point
		lb   Letterbox
		want string
	}{
		{"too few values", 10, image.Pt(64, 64), ok, "heads hold 10 values"},
		{"odd size", 10, image.Pt(60, 64), ok, "multiples of the stride"},
		{"no size", 0, image.Point{}, ok, "positive multiples"},
		{"no letterbox", 1128, image.Pt(64, 64), Letterbox{}, "without a letterbox"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := d.Decode(make([]float32, row.n), row.size, row.lb)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("error %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestNewDecoderRefuses(t *testing.T) {
	fine := Thresholds{Score: 0.3, NMS: 0.4}
	nan := float32(math.NaN())
	for _, row := range []struct {
		name string
		h    Head
		t    Thresholds
	}{
		{"no classes", Head{Strides: []int{8}, Anchors: [][][2]float32{{{1, 1}}}}, fine},
		{"no strides", Head{Classes: 1}, fine},
		{"no anchors", Head{Classes: 1, Strides: []int{8}, Anchors: [][][2]float32{{}}}, fine},
		{"anchors of one scale only", Head{Classes: 1, Strides: []int{8, 16}, Anchors: [][][2]float32{{{1, 1}}}}, fine},
		{"stride 0", Head{Classes: 1, Strides: []int{0}, Anchors: [][][2]float32{{{1, 1}}}}, fine},
		{"score above 1", testHead, Thresholds{Score: 1.1}},
		{"score not a number", testHead, Thresholds{Score: nan}},
		{"nms below 0", testHead, Thresholds{NMS: -0.1}},
		{"class score", testHead, Thresholds{Class: map[int]float32{0: 2}}},
		{"class of a score", testHead, Thresholds{Class: map[int]float32{7: 0.5}}},
		{"class filter", testHead, Thresholds{Only: []int{-1}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := NewDecoder(row.h, row.t); err == nil {
				t.Fatal("taken")
			}
		})
	}
}

func TestDecodeAllocatesOnlyItsResult(t *testing.T) {
	d, heads, size := benchDecoder(t)
	lb := NewLetterbox(image.Pt(640, 480), size)
	n := testing.AllocsPerRun(50, func() {
		if dets, err := d.Decode(heads, size, lb); err != nil || len(dets) == 0 {
			t.Fatal("no detections", err)
		}
	})
	if n > 1 {
		t.Errorf("%g allocations a call, want 1", n)
	}
}

// What a lowered threshold adds takes nothing away: the detections above the first threshold stay the same.
func TestLoweredThresholdsOnlyAdd(t *testing.T) {
	size := image.Pt(96, 64)
	heads := randomHeads(rand.New(rand.NewPCG(3, 9)), testHead, size, -2)
	lb := NewLetterbox(image.Pt(640, 480), size)
	for _, tt := range []struct {
		name string
		t    Thresholds
		off  []int // classes that nothing may be found of
	}{
		{"plain", Thresholds{Score: 0.35, NMS: 0.4}, nil},
		{"only two", Thresholds{Score: 0.35, Only: []int{1, 2}, NMS: 0.4}, []int{0, 3}},
		{"per class", Thresholds{Score: 0.5, Class: map[int]float32{0: 0.05, 2: 0.3}, NMS: 0.4}, nil},
		{"off by score", Thresholds{Score: 0.3, Class: map[int]float32{1: 1}, NMS: 0.4}, []int{1}},
		{"all but one off", Thresholds{Score: 1, Class: map[int]float32{1: 0.3}, NMS: 0.4}, []int{0, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			find := func(th Thresholds) []Detection {
				d, err := NewDecoder(testHead, th)
				if err != nil {
					t.Fatal(err)
				}
				dets, err := d.Decode(heads, size, lb)
				if err != nil {
					t.Fatal(err)
				}
				return dets
			}
			want, all := find(tt.t), find(tt.t.Lowered(0.1))
			if len(want) == 0 || len(all) <= len(want) {
				t.Fatalf("%d detections, %d with the lower threshold", len(want), len(all))
			}
			by := tt.t.ByClass(testHead.Classes)
			for _, d := range all {
				if slices.Contains(tt.off, d.Class) {
					t.Errorf("found %+v of a class that is off", d)
				}
			}
			if got := slices.DeleteFunc(all, func(d Detection) bool { return d.Score <= by[d.Class] }); !slices.Equal(got, want) {
				t.Errorf("above the first threshold\n%v\nwant\n%v", got, want)
			}
		})
	}
}

// benchDecoder has heads like those of a street scene: most cells empty, some dozens of candidates.
func benchDecoder(t testing.TB) (*Decoder, []float32, image.Point) {
	size := image.Pt(416, 320)
	heads := randomHeads(rand.New(rand.NewPCG(11, 12)), officialHead, size, -5)
	rest := heads
	for s, stride := range officialHead.Strides { // a confident class in every cell, as trained networks have
		cells, na := size.X/stride*(size.Y/stride), len(officialHead.Anchors[s])
		cls := rest[5*na*cells : (5*na+officialHead.Classes)*cells]
		for i := range cells {
			cls[i] += 12
		}
		rest = rest[(5*na+officialHead.Classes)*cells:]
	}
	d, err := NewDecoder(officialHead, Thresholds{Score: 0.3, NMS: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	return d, heads, size
}

func BenchmarkDecode(b *testing.B) {
	d, heads, size := benchDecoder(b)
	lb := NewLetterbox(image.Pt(640, 480), size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(heads, size, lb); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSuppress(b *testing.B) {
	r := rand.New(rand.NewPCG(13, 14))
	dets := make([]Detection, MaxCandidates)
	for i := range dets {
		x, y := r.Float32()*350, r.Float32()*350
		dets[i] = Detection{Box{x, y, x + 40, y + 40}, r.IntN(80), 1 - float32(i)/MaxCandidates}
	}
	work := make([]Detection, len(dets))
	for b.Loop() {
		copy(work, dets)
		suppress(work, 0.4)
	}
}
