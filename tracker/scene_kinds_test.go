package tracker_test

import (
	"time"

	"yfv2d/infer"
)

// kind is a sort of scene: who moves in it, and how it is looked at.
type kind struct {
	name    string
	seconds float64
	view    view
	eye     eye
	people  func(w *world)
}

// scene is a kind once drawn: what there is and what is detected, by frame from 1 on, rate frames a second.
type scene struct {
	name  string
	rate  float64
	last  int
	truth map[int][]seen
	dets  map[int][]infer.Detection
}

var began = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// at is a frame's time.
func (s *scene) at(frame int) time.Time {
	return began.Add(time.Duration(float64(frame) / s.rate * float64(time.Second)))
}

// draw makes the scene of a seed. The world is the same at every rate; only how often it is looked at differs.
func (k *kind) draw(seed uint64, rate float64) *scene {
	w := &world{dice: newDice(seed, 1), view: k.view}
	k.people(w)
	d := newDice(seed, 2)
	eyes := newWatcher(k.eye, d, k.view)
	s := &scene{name: k.name, rate: rate, last: int(k.seconds * rate), truth: map[int][]seen{}, dets: map[int][]infer.Detection{}}
	for f := 1; f <= s.last; f++ {
		shift := spot{k.eye.shake * d.NormFloat64(), k.eye.shake * d.NormFloat64()}
		all := look(w.things, k.view, float64(f)/rate, shift)
		s.dets[f] = eyes.detect(all, 1/rate)
		s.truth[f] = all
	}
	return s
}

func (e eye) with(change func(e *eye)) eye {
	change(&e)
	return e
}

// kinds are what a camera on a street or in a yard sees, each with one difficulty in front.
var kinds = []kind{
	{"walk", 12, hd, goodEye, strollers},
	{"small", 12, vga, goodEye, func(w *world) { strollersAt(w, 13, 22) }},
	{"cross", 10, hd, goodEye, crossings},
	{"pillar", 12, hd, goodEye, pillars},
	{"standing", 12, hd, goodEye, queue},
	{"group", 12, hd, goodEye, groups},
	{"border", 12, hd, goodEye, borders},
	{"crowd", 6, hd, goodEye, crowd},
	{"cars", 10, hd, goodEye.with(func(e *eye) { e.flicker = 0.25 }), traffic},
	{"shake", 12, hd, goodEye.with(func(e *eye) { e.shake = 5 }), func(w *world) { strollers(w); parking(w) }},
	{"miss 25%", 12, hd, goodEye.with(func(e *eye) { e.drop = 0.25 }), strollers},
	{"burst 40%", 12, hd, goodEye.with(func(e *eye) { e.drop, e.burst = 0.4, 0.35 }), strollers},
	{"clutter", 12, hd, goodEye.with(func(e *eye) { e.weak, e.mid, e.ghosts, e.twin = 2, 0.15, 3, 0.15 }), strollers},
	{"dim", 12, hd, goodEye.with(func(e *eye) { e.low, e.high, e.drop = 0.2, 0.65, 0.1 }), strollers},
	{"vague", 12, hd, goodEye.with(func(e *eye) { e.noise = 0.08 }), strollers},
}

// strollers are six people who each walk by, pause, turn round, or turn towards the camera.
func strollers(w *world) { strollersAt(w, 7, 14) }

// strollersAt are strollers from near to far m away.
func strollersAt(w *world, near, far float64) {
	for i := range 6 {
		z, speed, from := w.between(near, far), w.between(0.5, 2), w.side()
		on := w.across(z, from, w.between(-2, 5), speed)
		middle := spot{w.between(-0.3, 0.3) * z, z}
		switch i % 4 {
		case 1: // pauses
			on.legs = append([]leg{{middle, speed, w.between(1, 3)}}, on.legs...)
		case 2: // turns round
			on.legs = []leg{{middle, speed, 0}, {on.from, speed, 0}}
		case 3: // comes nearer or goes away, then on
			on.legs = append([]leg{{middle, speed, 0}, {spot{middle.x, w.between(near-1, far+1)}, speed, 0}}, on.legs...)
		}
		w.walker(on)
	}
}

// crossings are three pairs that pass each other within half a metre: two head-on, one overtaking slowly, so that one
// of a pair is hidden for 0.2 to 2 seconds.
func crossings(w *world) {
	for i := range 3 {
		z, start := w.between(7, 9)+2.5*float64(i), w.between(-1, 1)
		slow := w.between(0.5, 1.2)
		a := w.across(z, -1, start, slow)
		b := w.across(z+w.between(0.2, 0.5), 1, start, w.between(0.5, 1.5))
		a.from.x, b.from.x = -w.between(1.5, 3), w.between(1.5, 3)
		if i == 2 {
			b.from.x, b.legs[0].to.x = a.from.x-w.between(0.8, 1.5), a.legs[0].to.x
			b.legs[0].speed = slow + w.between(0.3, 0.6)
		}
		w.walker(a)
		w.walker(b)
	}
}

// pillars are two posts that hide whoever walks behind them for 0.2 to 2 seconds; one person waits behind a post.
func pillars(w *world) {
	places := []spot{{-1.7, 6}, {1.5, 6}}
	for _, p := range places {
		w.hide(pillar(p, w.between(0.5, 1.3)))
	}
	for i := range 6 {
		z, from := w.between(8, 12), w.side()
		on := w.across(z, from, w.between(-3, 4), w.between(0.7, 1.7))
		if i == 0 {
			p := places[w.IntN(2)]
			on.legs = append([]leg{{spot{p.x * z / p.z, z}, on.legs[0].speed, w.between(0.3, 1)}}, on.legs...)
		}
		w.walker(on)
	}
}

// queue is five people who stand, some behind each other, and four who walk by in front of them.
func queue(w *world) {
	for i := range 5 {
		at := spot{-3 + 1.5*float64(i) + w.between(-0.4, 0.4), w.between(10, 12)}
		w.walker(way{from: at, start: w.between(6, 20), legs: []leg{{to: spot{12, at.z}, speed: 1.2}}})
	}
	for range 4 {
		w.walker(w.across(w.between(6, 9), w.side(), w.between(-1, 5), w.between(0.6, 1.6)))
	}
}

// groups are four people side by side across the picture, three who come against them, and three towards the camera.
func groups(w *world) {
	party := func(n int, on way, dx, dz float64) {
		for i := range n {
			shift := spot{dx*float64(i) + w.between(-0.1, 0.1), dz*float64(i) + w.between(-0.1, 0.1)}
			one := on
			one.from = spot{on.from.x + shift.x, on.from.z + shift.z}
			one.legs = nil
			for _, l := range on.legs {
				l.to = spot{l.to.x + shift.x, l.to.z + shift.z}
				one.legs = append(one.legs, l)
			}
			w.walker(one)
		}
	}
	party(4, w.across(8, -1, w.between(-4, 0), w.between(1, 1.5)), 0.5, 0.35)
	party(3, w.across(11, 1, w.between(-4, 0), w.between(1, 1.5)), 0.65, 0.3)
	x := w.between(-4, 2)
	party(3, way{from: spot{x, 19}, legs: []leg{{to: spot{x, 6}, speed: w.between(0.8, 1.3)}}}, 0.75, 0.05)
}

// borders are ten people near the camera, fast, in and out; every third turns round at the picture's edge.
func borders(w *world) {
	for i := range 10 {
		z, from, speed := w.between(5, 8), w.side(), w.between(1, 2)
		on := w.across(z, from, w.between(-1, 9), speed)
		if i%3 == 2 {
			on.legs = []leg{{to: spot{from * w.edge(z, -w.between(0.5, 1.5)), z}, speed: speed}, {to: on.from, speed: speed}}
		}
		w.walker(on)
	}
}

// crowd is thirty people all over the place, each bound for somewhere.
func crowd(w *world) {
	for range 30 {
		z := w.between(7, 18)
		from := spot{w.between(-1, 1) * w.edge(z, 0), z}
		to := spot{w.side() * w.edge(z, 0.5), z + w.between(-3, 3)}
		w.walker(way{from: from, start: w.between(-1, 3), legs: []leg{{to: to, speed: w.between(0.5, 1.6)}}})
	}
}

// parking is two cars that stand for good.
func parking(w *world) {
	w.vehicle(way{from: spot{-5, 17}})
	w.vehicle(way{from: spot{4, 16}})
}

// traffic is six cars on two lanes before two parked ones, and two people.
func traffic(w *world) {
	parking(w)
	for i := range 6 {
		z, from := 11.0, -1.0
		if i%2 == 1 {
			z, from = 14, 1
		}
		e := w.edge(z, 2.5)
		w.vehicle(way{from: spot{from * e, z}, start: 1.6*float64(i) + w.between(-1, 0), legs: []leg{{to: spot{-from * e, z}, speed: w.between(4, 12)}}})
	}
	w.walker(w.across(8, w.side(), 0, w.between(1, 1.6)))
	w.walker(w.across(9, w.side(), 2, w.between(1, 1.6)))
}
