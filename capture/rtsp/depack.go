package rtsp

import (
	"errors"
	"time"

	"github.com/pion/rtp"

	"yfv2d/pipeline"
)

// depacketizer gathers RTP packets into access units. Packets come in the order of their sequence numbers, or are lost. A
// unit that lacks a packet, and any unit that cannot be put together, is handed on empty: its decoder must know that
// there was one. It belongs to one goroutine; its memory is bounded by limit.
type depacketizer struct {
	payload payload
	limit   int // bytes of a unit
	emit    func(data []byte, ts uint32, came time.Time)

	started bool
	seq     uint16 // of the newest packet
	open    bool   // a unit is under way
	ts      uint32 // its timestamp, or that of the unit before
	came    time.Time
	damaged bool
	lying   bool // markers stand on packets that are not a unit's last
	marked  bool // the unit before ended with a marker
}

// payload is what codecs differ in.
type payload interface {
	// starts says whether a payload is the beginning of a unit.
	starts(b []byte) bool
	// add takes the next payload of a unit; size bounds the unit.
	add(b []byte, limit int) error
	// take gives the unit, without it if it is none by itself, and begins the next. ended says that a marker ended it.
	take(ended bool) ([]byte, error)
	reset()
}

// Why a unit is damaged. The words are for tests: nobody else sees them.
var (
	errTooLarge = errors.New("unit is too large")
	errShort    = errors.New("payload is too short")
	errFragment = errors.New("fragment without its beginning or end")
	errKind     = errors.New("payload of a kind that is not used here")
)

func newDepacketizer(f form, limit int, emit func(data []byte, ts uint32, came time.Time)) *depacketizer {
	d := &depacketizer{limit: limit, emit: emit}
	if f.codec == pipeline.JPEG {
		d.payload = &jpegPayload{size: f.size}
	} else {
		d.payload = &nalPayload{codec: f.codec, sets: newSets(f.codec, f.sets)}
	}
	return d
}

// packet takes the next packet, which came at now. It keeps nothing of it.
func (d *depacketizer) packet(pkt *rtp.Packet, now time.Time) {
	lost := d.started && pkt.SequenceNumber != d.seq+1
	again := d.started && pkt.SequenceNumber == d.seq
	d.started, d.seq = true, pkt.SequenceNumber
	if again || len(pkt.Payload) == 0 && !lost {
		return // sent twice, or padding
	}
	if d.open && pkt.Timestamp != d.ts {
		d.damaged = d.damaged || lost // its end, for all that is known
		d.finish(false)
	}
	starts := d.payload.starts(pkt.Payload)
	if !d.open {
		d.begin(pkt, now, lost, starts)
	} else if lost {
		d.damaged = true
	}
	if !d.damaged {
		d.damaged = d.payload.add(pkt.Payload, d.limit) != nil
	}
	if pkt.Marker && !d.lying {
		d.finish(true)
	}
}

// begin starts a unit with a packet.
func (d *depacketizer) begin(pkt *rtp.Packet, now time.Time, lost, starts bool) {
	switch {
	case lost && starts:
		d.emit(nil, pkt.Timestamp, now) // what was lost came before it
	case lost:
		d.damaged = true
	case d.marked && pkt.Timestamp == d.ts && !starts:
		d.lying, d.damaged = true, true // the unit before was but a part of this one
	}
	d.open, d.ts, d.came = true, pkt.Timestamp, now
}

// finish hands on the unit that is under way.
func (d *depacketizer) finish(ended bool) {
	var data []byte
	whole := !d.damaged
	if whole {
		var err error
		data, err = d.payload.take(ended)
		whole = err == nil
	}
	d.payload.reset()
	d.open, d.damaged, d.marked = false, false, ended
	switch {
	case !whole:
		d.emit(nil, d.ts, d.came)
	case len(data) > 0:
		d.emit(data, d.ts, d.came)
	}
}
