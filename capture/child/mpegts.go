package child

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

const (
	tsPacket   = 188
	tsSync     = 0x47
	maxSection = 1024 // bytes of a table (ISO 13818-1 section 2.4.4)
	noPID      = -1
)

// videoTypes are the stream types of ISO 13818-1 that can be decoded.
var videoTypes = map[byte]pipeline.Codec{0x1b: pipeline.H264, 0x24: pipeline.H265}

var typeNames = map[byte]string{0x01: "MPEG-1 video", 0x02: "MPEG-2 video", 0x03: "MPEG audio", 0x04: "MPEG audio", 0x0f: "AAC", 0x10: "MPEG-4 video",
	0x11: "AAC", 0x33: "H.266", 0x42: "AVS video", 0x81: "AC-3"}

// demuxer takes the first H.264 or H.265 stream out of an MPEG transport stream. It keeps a packet and two tables, whatever comes.
type demuxer struct {
	// video is told the codec before anything of it comes, and when it changes.
	video func(pipeline.Codec) (*splitter, error)

	buf      []byte // less than two packets
	synced   bool   // buf begins with a packet
	pat, pmt section
	pmtPID   int
	pid      int // of the video
	codec    pipeline.Codec
	split    *splitter
	counter  int    // of the video's last packet; -1: none yet
	head     []byte // a PES header that is not yet whole
	skip     int    // bytes of a PES header that are still to come
	begun    bool   // a PES packet began
}

func newDemuxer(video func(pipeline.Codec) (*splitter, error)) *demuxer {
	return &demuxer{video: video, pmtPID: noPID, pid: noPID, counter: -1}
}

// write takes what came at a time. An error means that the stream cannot be used.
func (d *demuxer) write(b []byte, at time.Time) error {
	for len(b) > 0 {
		n := min(len(b), 2*tsPacket-len(d.buf))
		d.buf, b = append(d.buf, b[:n]...), b[n:]
		for d.whole() {
			if d.buf[0] != tsSync || !d.synced && d.buf[tsPacket] != tsSync {
				d.resync()
				continue
			}
			d.synced = true
			if err := d.packet(d.buf[:tsPacket], at); err != nil {
				return err
			}
			d.buf = d.buf[:copy(d.buf, d.buf[tsPacket:])]
		}
	}
	return nil
}

// whole says whether buf has a packet, and the next one's sync byte, which is wanted too if it is not known where packets begin.
func (d *demuxer) whole() bool {
	if d.synced {
		return len(d.buf) >= tsPacket
	}
	return len(d.buf) > tsPacket
}

// flush gives the last unit.
func (d *demuxer) flush(time.Time) error {
	if d.split != nil {
		d.split.flush()
	}
	return nil
}

// resync goes to the next byte that may begin a packet.
func (d *demuxer) resync() {
	d.synced = false
	i := bytes.IndexByte(d.buf[1:], tsSync) + 1
	if i == 0 {
		i = len(d.buf)
	}
	d.buf = d.buf[:copy(d.buf, d.buf[i:])]
}

// packet takes one packet (section 2.4.3).
func (d *demuxer) packet(p []byte, at time.Time) error {
	pid := number(p[1]&0x1f, p[2])
	if p[1]&0x80 != 0 || pid != 0 && pid != d.pmtPID && pid != d.pid {
		return nil
	}
	payload, jump := 4, false
	if p[3]&0x20 != 0 {
		jump = p[4] > 0 && p[5]&0x80 != 0
		payload += 1 + int(p[4])
	}
	if p[3]&0x10 == 0 || payload >= tsPacket {
		return nil
	}
	starts := p[1]&0x40 != 0
	switch pid {
	case 0:
		return d.pat.write(p[payload:], starts, d.programs)
	case d.pmtPID:
		return d.pmt.write(p[payload:], starts, d.streams)
	}
	if p[3]&0xc0 != 0 {
		return &live.Refused{Err: errors.New("the MPEG-TS is scrambled")}
	}
	counter := int(p[3] & 0xf)
	switch before := d.counter; {
	case before < 0, jump, counter == (before+1)&0xf:
	case counter == before: // sent twice
		return nil
	default:
		d.begun = false
		d.split.lost()
	}
	d.counter = counter
	d.pes(p[payload:], starts, at)
	return nil
}

// pes takes a part of a PES packet (section 2.4.3.6).
func (d *demuxer) pes(b []byte, starts bool, at time.Time) {
	const fixed = 9 // bytes up to and with the length of the rest of the header
	if starts {
		d.head, d.skip, d.begun = d.head[:0], 0, true
	}
	if !d.begun {
		return
	}
	if n := min(fixed-len(d.head), len(b)); n > 0 {
		d.head, b = append(d.head, b[:n]...), b[n:]
		if len(d.head) < fixed {
			return
		}
		if !bytes.HasPrefix(d.head, startCode) || d.head[6]&0xc0 != 0x80 {
			d.begun = false
			return
		}
		d.skip = int(d.head[fixed-1])
	}
	n := min(d.skip, len(b))
	d.skip -= n
	if n < len(b) {
		d.split.write(b[n:], at)
	}
}

// programs reads the program association table (section 2.4.4.3). The first program is taken.
func (d *demuxer) programs(b []byte) error {
	for b = b[8:]; len(b) >= 4; b = b[4:] {
		if b[0] == 0 && b[1] == 0 {
			continue // network information
		}
		if pid := number(b[2]&0x1f, b[3]); pid != d.pmtPID {
			d.pmtPID, d.pmt = pid, section{table: 2}
		}
		return nil
	}
	return nil
}

// streams reads the program map table (section 2.4.4.8).
func (d *demuxer) streams(b []byte) error {
	if len(b) < 12 {
		return nil
	}
	var others []string
	b = b[12+min(number(b[10]&0xf, b[11]), len(b)-12):]
	for len(b) >= 5 {
		kind, pid := b[0], number(b[1]&0x1f, b[2])
		if codec, ok := videoTypes[kind]; ok {
			return d.choose(pid, codec)
		}
		name := typeNames[kind]
		if name == "" {
			name = fmt.Sprintf("type 0x%02x", kind)
		}
		others = append(others, name)
		b = b[min(5+number(b[3]&0xf, b[4]), len(b)):]
	}
	if others == nil {
		others = []string{"nothing"}
	}
	return &live.Refused{Err: fmt.Errorf("the MPEG-TS holds %s: only H.264 and H.265 are supported", strings.Join(others, " and "))}
}

// choose takes a stream from now on.
func (d *demuxer) choose(pid int, codec pipeline.Codec) error {
	if pid == d.pid && codec == d.codec {
		return nil
	}
	split, err := d.video(codec)
	if err != nil {
		return err
	}
	d.pid, d.codec, d.split, d.counter, d.begun = pid, codec, split, -1, false
	return nil
}

// section gathers a table.
type section struct {
	table byte
	buf   []byte
	begun bool
}

// write takes a packet's part, and calls read with the whole section, without its checksum.
func (s *section) write(b []byte, starts bool, read func([]byte) error) error {
	if starts {
		skip := 1 + int(b[0])
		if skip > len(b) {
			return nil
		}
		s.buf, s.begun, b = s.buf[:0], true, b[skip:]
	}
	if !s.begun {
		return nil
	}
	s.buf = append(s.buf, b[:min(len(b), maxSection+3-len(s.buf))]...)
	if len(s.buf) < 3 {
		return nil
	}
	n := 3 + number(s.buf[1]&0xf, s.buf[2])
	if len(s.buf) < n && n <= maxSection {
		return nil
	}
	s.begun = false
	const least = 12 // header and checksum
	if n < least || n > len(s.buf) || s.buf[0] != s.table || s.buf[5]&1 == 0 || crc(s.buf[:n]) != 0 {
		return nil
	}
	return read(s.buf[:n-4])
}

func number(high, low byte) int { return int(high)<<8 | int(low) }

// crc is the checksum of ISO 13818-1 annex A: 0 over a section with its own.
func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
	}
	return c
}
