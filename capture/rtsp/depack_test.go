package rtsp

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"

	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

// got is what a depacketizer handed on.
type got struct {
	data []byte
	ts   uint32
}

// feed puts packets into a fresh depacketizer.
func feed(f form, pkts []*rtp.Packet) (units []got) {
	d := newDepacketizer(f, 1<<20, func(data []byte, ts uint32, _ time.Time) { units = append(units, got{data, ts}) })
	for _, p := range pkts {
		d.packet(p, time.Now())
	}
	return units
}

// packets are a clip's packets as the library makes them, of a size, numbered from 65530.
func packets(t testing.TB, c rtsptest.Clip, size int) (pkts []*rtp.Packet, of []int) {
	t.Helper()
	first := uint16(65530)
	encode := map[pipeline.Codec]func(rtsptest.Unit) ([]*rtp.Packet, error){}
	h4 := &rtph264.Encoder{PayloadMaxSize: size, PacketizationMode: 1, InitialSequenceNumber: &first}
	h5 := &rtph265.Encoder{PayloadMaxSize: size, InitialSequenceNumber: &first}
	mj := &rtpmjpeg.Encoder{PayloadMaxSize: size, InitialSequenceNumber: &first}
	for _, e := range []interface{ Init() error }{h4, h5, mj} {
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
	}
	encode[pipeline.H264] = func(u rtsptest.Unit) ([]*rtp.Packet, error) { return h4.Encode(rtsptest.SplitNALs(u.Data)) }
	encode[pipeline.H265] = func(u rtsptest.Unit) ([]*rtp.Packet, error) { return h5.Encode(rtsptest.SplitNALs(u.Data)) }
	encode[pipeline.JPEG] = func(u rtsptest.Unit) ([]*rtp.Packet, error) { return mj.Encode(u.Data) }
	for i, u := range c.Units {
		list, err := encode[c.Codec](u)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list {
			p.Timestamp = uint32(i * 6000)
			pkts, of = append(pkts, p), append(of, i)
		}
	}
	return pkts, of
}

var clips = map[string]rtsptest.Clip{
	"H.264": rtsptest.PatternH264().First(time.Second),
	"H.265": rtsptest.PatternH265().First(time.Second),
	"MJPEG": rtsptest.PatternMJPEG(),
}

// same says whether a unit is what was sent: byte by byte, but JPEG by its pixels.
func same(t testing.TB, c rtsptest.Clip, i int, data []byte) bool {
	t.Helper()
	if c.Codec != pipeline.JPEG {
		return bytes.Equal(data, c.Units[i].Data)
	}
	a, err1 := jpeg.Decode(bytes.NewReader(data))
	b, err2 := jpeg.Decode(bytes.NewReader(c.Units[i].Data))
	if err1 != nil || err2 != nil {
		t.Errorf("picture %d: %v, %v", i, err1, err2)
		return false
	}
	x, y := a.(*image.YCbCr), b.(*image.YCbCr)
	return x.Rect == y.Rect && x.SubsampleRatio == y.SubsampleRatio && bytes.Equal(x.Y, y.Y) && bytes.Equal(x.Cb, y.Cb) && bytes.Equal(x.Cr, y.Cr)
}

func TestDepacketizer(t *testing.T) {
	for name, c := range clips {
		for _, size := range []int{1450, 200, 60} {
			if c.Codec == pipeline.JPEG && size < 200 {
				continue // its tables do not fit
			}
			pkts, _ := packets(t, c, size)
			units := feed(form{codec: c.Codec}, pkts)
			if len(units) != len(c.Units) {
				t.Fatalf("%s in packets of %d: %d units, want %d", name, size, len(units), len(c.Units))
			}
			for i, u := range units {
				if u.ts != uint32(i*6000) || !same(t, c, i, u.data) {
					t.Errorf("%s in packets of %d: unit %d of %d is not what was sent", name, size, i, u.ts)
				}
			}
		}
	}
}

// TestDepacketizerLosses leaves out each packet in turn. The unit that it belonged to is handed on empty, none is handed
// on damaged, and no other is lost, but perhaps one more that may have been hit.
func TestDepacketizerLosses(t *testing.T) {
	for name, c := range clips {
		pkts, of := packets(t, c, 400)
		for lost := 1; lost < len(pkts)-1; lost++ {
			units := feed(form{codec: c.Codec}, append(append([]*rtp.Packet(nil), pkts[:lost]...), pkts[lost+1:]...))
			whole, empty := 0, 0
			for _, u := range units {
				switch i := int(u.ts / 6000); {
				case u.data == nil:
					empty++
				case i == of[lost]:
					t.Errorf("%s: unit %d is handed on without its packet %d", name, i, lost)
				case max(i-of[lost], of[lost]-i) < 2 && !same(t, c, i, u.data):
					t.Errorf("%s: unit %d is damaged without packet %d", name, i, lost)
				default:
					whole++
				}
			}
			if empty == 0 || whole < len(c.Units)-2 {
				t.Errorf("%s without packet %d of unit %d: %d whole, %d empty", name, lost, of[lost], whole, empty)
			}
		}
	}
}

// TestDepacketizerHabits: what cameras do that they should not.
func TestDepacketizerHabits(t *testing.T) {
	for name, c := range clips {
		t.Run(name+" without markers", func(t *testing.T) {
			pkts, _ := packets(t, c, 400)
			for _, p := range pkts {
				p.Marker = false
			}
			units := feed(form{codec: c.Codec}, pkts)
			if len(units) != len(c.Units)-1 { // the last has no end
				t.Fatalf("%d units of %d", len(units), len(c.Units))
			}
			for i, u := range units {
				if !same(t, c, i, u.data) {
					t.Errorf("unit %d differs", i)
				}
			}
		})
		t.Run(name+" sent twice", func(t *testing.T) {
			pkts, _ := packets(t, c, 400)
			var twice []*rtp.Packet
			for _, p := range pkts {
				twice = append(twice, p, p)
			}
			if units := feed(form{codec: c.Codec}, twice); len(units) != len(c.Units) || !same(t, c, 3, units[3].data) {
				t.Errorf("%d units of %d", len(units), len(c.Units))
			}
		})
		t.Run(name+" with padding between", func(t *testing.T) {
			pkts, _ := packets(t, c, 400)
			var padded []*rtp.Packet
			for i, p := range pkts {
				p.SequenceNumber = uint16(2 * i)
				pad := &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(2*i + 1), Timestamp: p.Timestamp}}
				padded = append(padded, p, pad)
			}
			if units := feed(form{codec: c.Codec}, padded); len(units) != len(c.Units) || !same(t, c, 3, units[3].data) {
				t.Errorf("%d units of %d", len(units), len(c.Units))
			}
		})
	}
	slice := func(first byte) []byte { return []byte{0x41, first, 1, 2, 3} }
	idr := []byte{0x65, 0x88, 1, 2, 3}
	sps, pps := []byte{0x67, 0x42, 1, 2}, []byte{0x68, 1, 2}
	rows := []struct {
		name string
		sets [][]byte
		pkts []*rtp.Packet
		want []string // units; empty: lost
	}{
		{"a marker on each slice", nil, number(at(0, true, slice(0x9a)), at(0, true, slice(0x1a)), at(1, true, slice(0x9b)), at(1, true, slice(0x1b)), at(2, true, slice(0x9c)),
			at(2, true, slice(0x1c)), at(3, true, slice(0x9d))),
			[]string{annex(slice(0x9a)), "", annex(slice(0x9b), slice(0x1b)), annex(slice(0x9c), slice(0x1c))}},
		{"sets as a unit of their own", nil, number(at(0, true, sps), at(0, true, pps), at(0, true, idr), at(1, true, slice(0x9a))),
			[]string{annex(sps, pps, idr), annex(slice(0x9a))}},
		{"sets announced only", [][]byte{sps, pps}, number(at(0, true, idr), at(1, true, slice(0x9a)), at(2, true, idr)),
			[]string{annex(sps, pps, idr), annex(slice(0x9a)), annex(sps, pps, idr)}},
		{"sets once", nil, number(at(0, false, sps), at(0, false, pps), at(0, true, idr), at(1, true, idr)), []string{annex(sps, pps, idr), annex(sps, pps, idr)}},
		{"sets that change", [][]byte{sps, pps}, number(at(0, false, []byte{0x67, 9}), at(0, true, idr), at(1, true, idr)),
			[]string{annex(pps, []byte{0x67, 9}, idr), annex([]byte{0x67, 9}, pps, idr)}},
		{"start codes in payloads", nil, number(at(0, true, annexBytes(sps, pps, idr)), at(1, true, annexBytes(slice(0x9a)))),
			[]string{annex() + "\x00\x00\x00\x01" + annex(sps, pps, idr), "\x00\x00\x00\x01" + annex(slice(0x9a))}},
		{"a delimiter first", [][]byte{sps, pps}, number(at(0, false, []byte{9, 0xf0}), at(0, true, idr)), []string{annex([]byte{9, 0xf0}, sps, pps, idr)}},
		{"a fragment alone", nil, number(at(0, true, []byte{28, 0x41, 1, 2}), at(1, true, slice(0x9a))), []string{"", annex(slice(0x9a))}},
		{"a fragment without end", nil, number(at(0, true, []byte{28, 0x81, 1, 2}), at(1, true, slice(0x9a))), []string{"", annex(slice(0x9a))}},
		{"first and last fragment in one", nil, number(at(0, true, []byte{0x3c, 0xc1, 0x9a, 2})), []string{annex([]byte{0x21, 0x9a, 2})}},
		{"aggregate cut short", nil, number(at(0, true, []byte{24, 0, 9, 1}), at(1, true, slice(0x9a))), []string{"", annex(slice(0x9a))}},
		{"aggregate with zeros behind", nil, number(at(0, true, []byte{24, 0, 2, 0x41, 0x9a, 0, 0, 0, 0})), []string{annex([]byte{0x41, 0x9a})}},
		{"MTAP", nil, number(at(0, true, []byte{26, 0, 9, 1})), []string{""}},
		{"a whole unit lost", nil, []*rtp.Packet{nth(1, at(0, true, slice(0x9a))), nth(3, at(2, true, slice(0x9b)))}, []string{annex(slice(0x9a)), "", annex(slice(0x9b))}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			units := feed(form{codec: pipeline.H264, sets: r.sets}, r.pkts)
			if len(units) != len(r.want) {
				t.Fatalf("%d units, want %d", len(units), len(r.want))
			}
			for i, u := range units {
				if string(u.data) != r.want[i] {
					t.Errorf("unit %d is %x, want %x", i, u.data, r.want[i])
				}
			}
		})
	}
}

func at(ts uint32, marker bool, payload []byte) *rtp.Packet {
	return &rtp.Packet{Header: rtp.Header{Timestamp: ts, Marker: marker}, Payload: payload}
}

func nth(seq uint16, p *rtp.Packet) *rtp.Packet { p.SequenceNumber = seq; return p }

func number(pkts ...*rtp.Packet) []*rtp.Packet {
	for i, p := range pkts {
		p.SequenceNumber = uint16(i)
	}
	return pkts
}

func annexBytes(nals ...[]byte) (b []byte) {
	for _, n := range nals {
		b = append(append(b, startCode...), n...)
	}
	return b
}

func annex(nals ...[]byte) string { return string(annexBytes(nals...)) }

// TestJPEGHeaders: what RTP can say of a JPEG and the library's encoder does not.
func TestJPEGHeaders(t *testing.T) {
	header := func(kind, q, w, h byte) []byte { return []byte{0, 0, 0, 0, kind, q, w, h} }
	end := []byte{1, 2, 3, 0xff, 0xd9}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	tables := append([]byte{0, 0, 0, 128}, bytes.Repeat([]byte{7}, 128)...)
	rows := []struct {
		name string
		pkts []*rtp.Packet
		size [2]int
		want []string // parts of the last unit; none: it is lost
	}{
		{"quality of 50", number(at(0, true, join(header(1, 50, 8, 4), end))), [2]int{}, []string{"\xff\xdb\x00\x43\x00\x10\x0b\x0c", "\xff\xc0\x00\x11\x08\x00\x20\x00\x40\x03\x01\x22\x00"}},
		{"4:2:2", number(at(0, true, join(header(0, 99, 8, 4), end))), [2]int{}, []string{"\x03\x01\x21\x00\x02\x11\x01"}},
		{"restart markers", number(at(0, true, join(header(65, 99, 8, 4), []byte{0, 9, 0xff, 0xff}, end))), [2]int{}, []string{"\xff\xdd\x00\x04\x00\x09", "\x01\x22\x00"}},
		{"tables once for a quality", number(at(0, true, join(header(1, 200, 8, 4), tables, end)), at(1, true, join(header(1, 200, 8, 4), []byte{0, 0, 0, 0}, end))),
			[2]int{}, []string{"\xff\xdb\x00\x43\x01\x07\x07"}},
		{"tables never", number(at(0, true, join(header(1, 255, 8, 4), []byte{0, 0, 0, 0}, end))), [2]int{}, nil},
		{"wider than 2040, announced", number(at(0, true, join(header(1, 50, 0, 0), end))), [2]int{2560, 1440}, []string{"\x08\x05\xa0\x0a\x00\x03"}},
		{"wider than 2040", number(at(0, true, join(header(1, 50, 0, 0), end))), [2]int{}, nil},
		{"without its end", number(at(0, true, join(header(1, 50, 8, 4), []byte{5, 5}))), [2]int{}, []string{"\x05\x05\xff\xd9"}},
		{"tables of 16 bits", number(at(0, true, join(header(1, 255, 8, 4), []byte{0, 1, 0, 128}, make([]byte, 128), end))), [2]int{}, nil},
		{"no type of these", number(at(0, true, join(header(5, 50, 8, 4), end))), [2]int{}, nil},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			units := feed(form{codec: pipeline.JPEG, size: r.size}, r.pkts)
			if len(units) != len(r.pkts) {
				t.Fatalf("%d units", len(units))
			}
			last := units[len(units)-1].data
			if (len(r.want) == 0) != (last == nil) {
				t.Fatalf("unit of %d bytes", len(last))
			}
			for _, part := range r.want {
				if !bytes.Contains(last, []byte(part)) {
					t.Errorf("%x lacks %x", last, part)
				}
			}
		})
	}
}

// TestDepacketizerIsBounded: a unit without end costs no more than its limit.
func TestDepacketizerIsBounded(t *testing.T) {
	const limit = 100_000
	for _, c := range []pipeline.Codec{pipeline.H264, pipeline.H265, pipeline.JPEG} {
		lost, largest := 0, 0
		d := newDepacketizer(form{codec: c}, limit, func(data []byte, _ uint32, _ time.Time) {
			largest = max(largest, len(data))
			if data == nil {
				lost++
			}
		})
		offset := 0
		for i := range 2000 {
			payload := make([]byte, 1000)
			switch c {
			case pipeline.H264:
				payload[0] = 0x41
			case pipeline.H265:
				payload[0] = 2
			default:
				binary.BigEndian.PutUint32(payload, uint32(offset))
				payload[4], payload[5], payload[6], payload[7] = 1, 50, 8, 8
				offset += len(payload) - jpegHeaderSize
			}
			d.packet(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i), Marker: i == 1999}, Payload: payload}, time.Now())
		}
		if lost != 1 || largest > limit {
			t.Errorf("%s: %d units lost, the largest has %d bytes", c, lost, largest)
		}
	}
}

// FuzzDepacketizer takes a stream of packets: marker and gap in a byte, a timestamp step, a length, a payload.
func FuzzDepacketizer(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i, c := range []rtsptest.Clip{clips["H.264"], clips["H.265"], clips["MJPEG"]} {
		pkts, _ := packets(f, c, 150+rng.IntN(50))
		var b []byte
		for _, p := range pkts[:min(len(pkts), 40)] {
			m := byte(0)
			if p.Marker {
				m = 1
			}
			b = append(append(b, m, m, byte(len(p.Payload))), p.Payload...)
		}
		f.Add(byte(i), b)
	}
	f.Fuzz(func(t *testing.T, codec byte, b []byte) {
		c := []pipeline.Codec{pipeline.H264, pipeline.H265, pipeline.JPEG}[codec%3]
		const limit = 4096
		d := newDepacketizer(form{codec: c, size: [2]int{64, 64}}, limit, func(data []byte, _ uint32, _ time.Time) {
			start := startCode
			if c == pipeline.JPEG {
				start = []byte{0xff, 0xd8}
			}
			if data != nil && !bytes.HasPrefix(data, start) || len(data) > 2*limit+3*maxSetBytes {
				t.Errorf("unit of %d bytes: %x", len(data), data[:min(len(data), 16)])
			}
		})
		var pkt rtp.Packet
		for len(b) >= 3 {
			n := min(int(b[2]), len(b)-3)
			pkt.Marker = b[0]&1 != 0
			pkt.SequenceNumber += 1 + uint16(b[0]>>6)
			pkt.Timestamp += uint32(b[1])
			pkt.Payload = b[3 : 3+n : 3+n]
			before := bytes.Clone(pkt.Payload)
			d.packet(&pkt, time.Time{})
			if !bytes.Equal(before, pkt.Payload) {
				t.Fatal("a payload was written to")
			}
			b = b[3+n:]
		}
	})
}
