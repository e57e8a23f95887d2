package tracker_test

import (
	"math"
	"math/rand/v2"

	"yfv2d/infer"
)

// A scene's world is a flat ground seen by a fixed camera: metres, seconds, a pinhole. What moves on it is known
// exactly; a detector model (scene_detector_test.go) then looks at it as a real detector would.

// view is the picture, px, and with it the camera: a focal length of 0.8 widths (64 degrees), cameraHeight above
// ground, the horizon at 0.3 of the height.
type view struct{ w, h float64 }

var (
	hd  = view{1280, 720}
	vga = view{640, 480}
)

const cameraHeight = 2.5 // m

// spot is a place on the ground, m: to the right of the camera's axis, and away from the camera.
type spot struct{ x, z float64 }

// leg is a part of a way: to a spot at a speed in m/s, then a pause in seconds.
type leg struct {
	to           spot
	speed, pause float64
}

// way is where a thing is over time. It stands at from until start, and at its last spot for ever.
type way struct {
	from  spot
	start float64
	legs  []leg
}

// at is the place on the bare polygon at second s, and how fast it moves along x there, m/s.
func (w way) at(s float64) (spot, float64) {
	here, s := w.from, s-w.start
	for _, l := range w.legs {
		if s <= 0 {
			break
		}
		dx, dz := l.to.x-here.x, l.to.z-here.z
		need := math.Hypot(dx, dz) / l.speed
		if s < need {
			k := s / need
			return spot{here.x + k*dx, here.z + k*dz}, dx / need
		}
		here = l.to
		s -= need + l.pause
	}
	return here, 0
}

// smooth is the place with rounded turns and soft starts: nobody turns round in less than turnTime.
func (w way) smooth(s float64) (at spot, vx float64) {
	const turnTime, n = 0.5, 5
	for i := range n {
		p, v := w.at(s + turnTime*(float64(i)/(n-1)-0.5))
		at.x += p.x / n
		at.z += p.z / n
		vx += v / n
	}
	return at, vx
}

// thing is what stands or moves in a scene: an object with an id, or a pillar (id 0), which only hides others.
type thing struct {
	way
	id, class  int
	wide, tall float64 // m
	stride     float64 // phase of its steps; legs open and close
}

// Classes of the scenes, as COCO numbers them.
const (
	person = 0
	car    = 2
	truck  = 7
)

func pillar(at spot, wide float64) thing { return thing{way: way{from: at}, wide: wide, tall: 5} }

// box is the thing's whole box in the picture at second s, however far it reaches out of it, and its distance in m.
func (t *thing) box(v view, s float64) (infer.Box, float64) {
	p, vx := t.smooth(s)
	f := 0.8 * v.w
	wide := t.wide
	if t.class == person && t.id > 0 && vx != 0 {
		const steps, open = 1.8, 0.15 // steps a second; how much wider the open legs are
		wide *= 1 + open*math.Min(1, math.Abs(vx))*math.Sin(math.Pi*steps*s+t.stride)
	}
	u, foot := v.w/2+f*p.x/p.z, 0.3*v.h+f*cameraHeight/p.z
	w, h := f*wide/p.z, f*t.tall/p.z
	return infer.Box{X0: float32(u - w/2), Y0: float32(foot - h), X1: float32(u + w/2), Y1: float32(foot)}, p.z
}

// seen is one object at one time: its box within the picture, the part of that which is visible, and how much of the
// whole object is (0..1).
type seen struct {
	thing      *thing
	box, part  infer.Box
	visibility float64
}

// look says what of each object can be seen at second s, by points spread over its box: hidden are those out of the
// picture and those behind a nearer thing. shift moves the whole picture, px.
func look(things []thing, v view, s float64, shift spot) []seen {
	boxes, far := make([]infer.Box, len(things)), make([]float64, len(things))
	for i := range things {
		boxes[i], far[i] = things[i].box(v, s)
		boxes[i] = moved(boxes[i], float32(shift.x), float32(shift.z))
	}
	var out []seen
	for i := range things {
		box := clip(boxes[i], v)
		if things[i].id == 0 || box.Area() == 0 {
			continue
		}
		var nearer []infer.Box
		for k := range things {
			if far[k] < far[i] && boxes[k].IoU(boxes[i]) > 0 {
				nearer = append(nearer, boxes[k])
			}
		}
		if part, share := visible(boxes[i], box, nearer); share > 0 {
			out = append(out, seen{&things[i], box, part, share})
		}
	}
	return out
}

// visible spreads points over a whole box and returns the box around those that are within the picture's part of it and
// outside of all nearer boxes, with their share.
func visible(whole, inside infer.Box, nearer []infer.Box) (infer.Box, float64) {
	if len(nearer) == 0 {
		return inside, float64(inside.Area() / whole.Area())
	}
	const cols, rows = 12, 16
	dx, dy := whole.W()/cols, whole.H()/rows
	part, n := infer.Box{X0: whole.X1, Y0: whole.Y1, X1: whole.X0, Y1: whole.Y0}, 0
	for i := range cols * rows {
		x, y := whole.X0+dx*float32(i%cols), whole.Y0+dy*float32(i/cols)
		if !holds(inside, x+dx/2, y+dy/2) || hidden(nearer, x+dx/2, y+dy/2) {
			continue
		}
		n++
		part = infer.Box{X0: min(part.X0, x), Y0: min(part.Y0, y), X1: max(part.X1, x+dx), Y1: max(part.Y1, y+dy)}
	}
	return intersect(part, inside), float64(n) / (cols * rows)
}

func hidden(nearer []infer.Box, x, y float32) bool {
	for _, b := range nearer {
		in := 0.1 * b.W() // nothing fills its box to the sides
		if holds(infer.Box{X0: b.X0 + in, Y0: b.Y0, X1: b.X1 - in, Y1: b.Y1}, x, y) {
			return true
		}
	}
	return false
}

func holds(b infer.Box, x, y float32) bool { return x >= b.X0 && x < b.X1 && y >= b.Y0 && y < b.Y1 }

func moved(b infer.Box, dx, dy float32) infer.Box {
	return infer.Box{X0: b.X0 + dx, Y0: b.Y0 + dy, X1: b.X1 + dx, Y1: b.Y1 + dy}
}

func intersect(a, b infer.Box) infer.Box {
	return infer.Box{X0: max(a.X0, b.X0), Y0: max(a.Y0, b.Y0), X1: min(a.X1, b.X1), Y1: min(a.Y1, b.Y1)}
}

func clip(b infer.Box, v view) infer.Box {
	return intersect(b, infer.Box{X1: float32(v.w), Y1: float32(v.h)})
}

// dice draws what a scene leaves to chance.
type dice struct{ *rand.Rand }

func newDice(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

func (d dice) between(a, b float64) float64 { return a + (b-a)*d.Float64() }

func (d dice) side() float64 { return float64(2*d.IntN(2) - 1) }

// world collects things and numbers the objects among them.
type world struct {
	dice
	view
	things []thing
}

func (w *world) add(t thing) {
	t.id = 1
	for i := range w.things {
		t.id = max(t.id, w.things[i].id+1)
	}
	w.things = append(w.things, t)
}

func (w *world) hide(t thing) { w.things = append(w.things, t) }

// walker adds a grown person on a way.
func (w *world) walker(on way) {
	tall := w.between(1.55, 1.85)
	w.add(thing{way: on, class: person, wide: 0.36 * tall, tall: tall, stride: w.between(0, 2*math.Pi)})
}

// vehicle adds a car seen from its side.
func (w *world) vehicle(on way) {
	w.add(thing{way: on, class: car, wide: w.between(3.8, 4.6), tall: w.between(1.4, 1.6)})
}

// edge is how far to the side the picture ends at distance z, m, with room for a person to be wholly out of it.
func (w *world) edge(z, room float64) float64 { return z/1.6 + room }

// across is a straight way through the picture at distance z from one side (-1 is the left) to the other.
func (w *world) across(z, from, start, speed float64) way {
	e := w.edge(z, 0.5)
	return way{from: spot{from * e, z}, start: start, legs: []leg{{to: spot{-from * e, z}, speed: speed}}}
}
