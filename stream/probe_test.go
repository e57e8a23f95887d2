package stream

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestProbePlan(t *testing.T) {
	const full = 1_000_000
	at := time.Now()
	var p probePlan
	after := func(d time.Duration) { at = at.Add(d) }
	expect := func(what string, sought, carries int, calm bool, want int) {
		t.Helper()
		if got := p.rate(at, sought, carries, calm); got != want {
			t.Errorf("%s: %d bit/s, want %d", what, got, want)
		}
	}
	expect("on the full picture", 0, 2*full, true, 0)
	expect("just moved", full, 300_000, true, 0)
	after(probeFirst)
	expect("congested", full, 300_000, false, 0)
	expect("calm", full, 300_000, true, 600_000)
	p.took(at, false, false)
	after(leastProbeRest - 1)
	expect("soon after a bad try", full, 300_000, true, 0)
	after(1)
	expect("after a rest", full, 300_000, true, 600_000)
	for range 4 {
		p.took(at, false, false)
		after(mostProbeRest)
	}
	p.took(at, true, false)
	after(probeNext)
	enough := int(probeShare * full)
	expect("the last step", full, 900_000, true, enough)
	p.took(at, true, true)
	after(probeNext)
	expect("after enough was shown", full, 1_300_000, true, 0)
	after(probeHold)
	expect("whether it is still so", full, math.MaxInt32, true, enough)
	p.took(at, false, false)
	after(leastProbeRest)
	expect("a good try ends the rests", full, 500_000, true, 1_000_000)
	expect("back on the full picture", 0, 500_000, true, 0)
	expect("moved again", full, 500_000, true, 0)
}

// probeOver sends a probe over a path that takes packets at a rate at most, and loses some, and gives what is read.
func probeOver(t *testing.T, bps, carries int, lose func(i int) bool) probeReading {
	t.Helper()
	m := newPathMeter()
	m.sent(m.epoch, 65_500, 1000) // is none of the probe's
	told := m.beginProbe()
	const size = 250
	packets := max(2, int(probeSpan.Seconds()*float64(bps)/8/size))
	fb := &rtcp.TransportLayerCC{BaseSequenceNumber: 65_500, PacketStatusCount: uint16(packets + 1), ReferenceTime: 100}
	last, free := time.Duration(0), time.Duration(0)
	report := func(at time.Duration, came bool) {
		symbol := uint16(rtcp.TypeTCCPacketNotReceived)
		if came {
			symbol = rtcp.TypeTCCPacketReceivedLargeDelta
			fb.RecvDeltas = append(fb.RecvDeltas, &rtcp.RecvDelta{Type: symbol, Delta: (at - last).Microseconds()})
			last = at
		}
		fb.PacketChunks = append(fb.PacketChunks, &rtcp.StatusVectorChunk{SymbolList: []uint16{symbol}})
	}
	report(0, true)
	for i := range packets {
		at := time.Duration(i) * probeSpan / time.Duration(packets)
		m.sent(m.epoch.Add(at), uint16(65_501+i), size)
		free = max(free, at) + time.Duration(size*8)*time.Second/time.Duration(carries)
		report(free, !lose(i))
	}
	m.sealProbe()
	m.sent(m.epoch.Add(probeSpan), uint16(65_501+packets), 1000) // nor is this
	m.arrived(m.epoch.Add(2*probeSpan), fb)
	if !lose(packets - 1) {
		select {
		case <-told:
		default:
			t.Error("all is told of and nobody was told")
		}
	}
	return m.endProbe()
}

func TestProbeReading(t *testing.T) {
	none := func(int) bool { return false }
	for _, tc := range []struct {
		name          string
		bps, carries  int
		lose          func(int) bool
		passed        bool
		least, at     int // of what is read, bits per second
		leastA, mostA float64
	}{
		{"free path", 1_300_000, 100_000_000, none, true, 1_200_000, 1_400_000, 1, 1},
		{"just enough", 1_300_000, 1_350_000, none, true, 1_200_000, 1_400_000, 1, 1},
		{"half of it", 1_300_000, 650_000, none, false, 600_000, 700_000, 1, 1},
		{"every 30th lost", 1_300_000, 100_000_000, func(i int) bool { return i%30 == 15 }, true, 1_100_000, 1_400_000, 0.95, 0.98},
		{"every fifth lost", 1_300_000, 100_000_000, func(i int) bool { return i%5 == 2 }, false, 900_000, 1_300_000, 0.75, 0.85},
		{"nothing arrives", 1_300_000, 100_000_000, func(int) bool { return true }, false, 0, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := probeOver(t, tc.bps, tc.carries, tc.lose)
			if r.passed() != tc.passed || r.bps < tc.least || r.bps > tc.at || r.arrived < tc.leastA || r.arrived > tc.mostA {
				t.Errorf("%+v, passed %v", r, r.passed())
			}
		})
	}
	if r := newPathMeter().endProbe(); r != (probeReading{}) {
		t.Errorf("without a probe: %+v", r)
	}
}

// TestProbedEstimate: a good probe raises the estimate, also beyond what was the most, a bad one takes it down to what
// arrived, and gcc works on from there.
func TestProbedEstimate(t *testing.T) {
	for _, tc := range []struct {
		name       string
		r          probeReading
		tried      int
		again      bool // the one before it was bad
		told, most int
		passed     bool
	}{
		{"good", probeReading{1_310_000, 1_280_000, 1}, 1_300_000, false, 1_300_000, 1_500_000, true},
		{"sent slower than meant", probeReading{1_100_000, 1_080_000, 1}, 1_300_000, false, 1_100_000, 1_500_000, true},
		{"good, below the estimate", probeReading{600_000, 600_000, 1}, 600_000, false, 1_000_000, 1_500_000, true},
		{"beyond the most", probeReading{5_000_000, 5_000_000, 1}, 5_000_000, false, 5_000_000, 7_500_000, true},
		{"bad once", probeReading{1_300_000, 600_000, 1}, 1_300_000, false, 1_000_000, 1_500_000, false},
		{"bad again", probeReading{1_300_000, 600_000, 1}, 1_300_000, true, 570_000, 1_500_000, false},
		{"nothing is known", probeReading{}, 1_300_000, true, 1_000_000, 1_500_000, false},
		{"next to nothing", probeReading{1_300_000, 10, 0.1}, 1_300_000, true, leastPath, 1_500_000, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			told, most := 1_000_000, 1_500_000
			e, err := newEstimator(told, newPacer(told), func(b, m int) { told, most = b, m }, pionLogs{})
			if err != nil {
				t.Fatal(err)
			}
			old := e.gcc
			if passed := e.probed(tc.r, tc.tried, tc.again); passed != tc.passed {
				t.Errorf("passed: %v", passed)
			}
			if told != tc.told || most != tc.most || e.estimate() != tc.told {
				t.Errorf("told %d of %d, want %d of %d", told, most, tc.told, tc.most)
			}
			if renewed := e.gcc != old; renewed != (tc.told != 1_000_000) {
				t.Errorf("gcc made anew: %v", renewed)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e.probed(tc.r, tc.tried, tc.again) // does no harm
		})
	}
}

// TestPathBeyondMeasure: an estimate that its bound holds down tells of no poor path.
func TestPathBeyondMeasure(t *testing.T) {
	for _, row := range []struct {
		told int
		poor bool
	}{{900_000, true}, {950_000, false}, {megabit, false}, {0, false}} {
		s := &session{}
		s.estimated(row.told, megabit)
		if got := isPoor(int(s.path.Load()), 10*megabit); got != row.poor {
			t.Errorf("%d bit/s: poor is %v", row.told, got)
		}
	}
}
