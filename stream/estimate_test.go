package stream

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// meterBench is a path on a clock of its own that is told of by feedback every 100 ms.
type meterBench struct {
	*pathMeter
	now    time.Time
	number uint16
	ref    int64 // receiver's clock less ours, in 64 ms
	way    time.Duration
	lose   func(n uint16) bool
}

func newMeterBench() *meterBench {
	m := &meterBench{pathMeter: newPathMeter(), number: 65_500, ref: 1<<24 - 20, way: 30 * time.Millisecond, lose: func(uint16) bool { return false }}
	m.now = m.epoch
	return m
}

// run sends so many packets in each 100 ms for a while.
func (m *meterBench) run(span time.Duration, packets, size int) {
	for range span / (100 * time.Millisecond) {
		fb := &rtcp.TransportLayerCC{BaseSequenceNumber: m.number, PacketStatusCount: uint16(packets)}
		begin := m.now.Sub(m.epoch)
		// The reference is the receiver's time of the first packet, rounded down.
		arrival := begin + m.way
		ref := int64(arrival / (64 * time.Millisecond))
		fb.ReferenceTime = uint32((ref + m.ref) & 0xff_ffff)
		last := time.Duration(ref) * 64 * time.Millisecond
		for i := range packets {
			at := m.now.Add(time.Duration(i) * 100 * time.Millisecond / time.Duration(packets))
			m.sent(at, m.number, size)
			symbol := uint16(rtcp.TypeTCCPacketNotReceived)
			if !m.lose(m.number) {
				symbol = rtcp.TypeTCCPacketReceivedLargeDelta
				arrived := at.Sub(m.epoch) + m.way
				fb.RecvDeltas = append(fb.RecvDeltas, &rtcp.RecvDelta{Type: symbol, Delta: (arrived - last).Microseconds()})
				last = arrived
			}
			if i%2 == 0 {
				fb.PacketChunks = append(fb.PacketChunks, &rtcp.RunLengthChunk{PacketStatusSymbol: symbol, RunLength: 1})
			} else {
				fb.PacketChunks = append(fb.PacketChunks, &rtcp.StatusVectorChunk{SymbolList: []uint16{symbol}})
			}
			m.number++
		}
		m.now = m.now.Add(100 * time.Millisecond)
		m.arrived(m.now, fb)
	}
}

func TestPathMeter(t *testing.T) {
	m := newMeterBench()
	m.run(4*time.Second, 10, 1250) // 1 Mbit/s, over both wraps
	r := m.read(m.now)
	if r.bps < 900_000 || r.bps > 1_100_000 || r.queue.Abs() > time.Millisecond || r.loss != 0 {
		t.Errorf("even path: %+v", r)
	}
	if !r.idle(2_000_000) || r.idle(1_100_000) || r.congested() {
		t.Errorf("%+v: idle at 2 Mbit/s %v, at 1.1 %v", r, r.idle(2_000_000), r.idle(1_100_000))
	}
	m.way += 40 * time.Millisecond
	m.run(300*time.Millisecond, 10, 1250)
	if r := m.read(m.now); r.queue < 39*time.Millisecond || r.queue > 41*time.Millisecond || !r.congested() {
		t.Errorf("40 ms of queue: %+v", r)
	}
	m.run(11*time.Second, 10, 1250) // the longer way is the path's own now
	if r := m.read(m.now); r.queue.Abs() > time.Millisecond {
		t.Errorf("longer way: %+v", r)
	}
	m.lose = func(n uint16) bool { return n%5 == 0 }
	m.run(2*time.Second, 10, 1250)
	if r := m.read(m.now); r.loss < 0.19 || r.loss > 0.21 || !r.congested() {
		t.Errorf("20 %% loss: %+v", r)
	}
	m.now = m.now.Add(time.Hour)
	if r := m.read(m.now); r != (pathReading{}) {
		t.Errorf("after an hour of silence: %+v", r)
	}
}

// TestPathMeterTakesAnything: feedback comes from strangers.
func TestPathMeterTakesAnything(t *testing.T) {
	m := newPathMeter()
	for n := range uint16(100) {
		m.sent(time.Now(), n, 100)
	}
	for _, fb := range []*rtcp.TransportLayerCC{
		{},
		{PacketStatusCount: 65535, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{PacketStatusSymbol: 1, RunLength: 8191}}},
		{PacketStatusCount: 1, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{RunLength: 8191}}},
		{BaseSequenceNumber: 90, PacketStatusCount: 30, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.StatusVectorChunk{SymbolList: []uint16{1, 2, 3, 9}}},
			RecvDeltas: []*rtcp.RecvDelta{{Delta: -1 << 40}, {Delta: 1 << 40}}},
	} {
		m.arrived(time.Now(), fb)
	}
	m.read(time.Now())
}

// TestFallsThatAreNotBelieved: gcc's falls count when much is sent or the path shows congestion, else gcc is made anew.
func TestFallsThatAreNotBelieved(t *testing.T) {
	const estimate = 1_000_000
	for _, tc := range []struct {
		name         string
		packets      int // of 1250 bytes in 100 ms
		queue        time.Duration
		target, want int
		renewed      bool
	}{
		{"little is sent", 1, 0, 90_000, estimate, true},
		{"much is sent", 9, 0, 800_000, 800_000, false},
		{"little is sent and a queue grows", 2, 60 * time.Millisecond, 170_000, 170_000, false},
		{"a rise", 1, 0, 1_100_000, 1_100_000, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told []int
			e, err := newEstimator(estimate, newPacer(estimate), func(bps, _ int) { told = append(told, bps) }, pionLogs{})
			if err != nil {
				t.Fatal(err)
			}
			m := newMeterBench()
			e.meter, e.now = m.pathMeter, func() time.Time { return m.now }
			e.renewed = m.now
			m.run(4*time.Second, tc.packets, 1250)
			m.way += tc.queue
			m.run(300*time.Millisecond, tc.packets, 1250)
			old := e.gcc
			e.taps.SetTargetBitrate(tc.target)
			if got := e.estimate(); got != tc.want {
				t.Errorf("estimate %d, want %d", got, tc.want)
			}
			if err := e.WriteRTCP(nil, nil); err != nil {
				t.Fatal(err)
			}
			if renewed := e.gcc != old; renewed != tc.renewed {
				t.Errorf("made anew: %v, want %v", renewed, tc.renewed)
			}
			if tc.renewed && len(told) != 0 {
				t.Errorf("told %v", told)
			}
			for range 2 {
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if e.WriteRTCP(nil, nil) == nil {
				t.Error("a closed estimator takes feedback")
			}
		})
	}
}
