package stream

import (
	"bytes"
	"fmt"
	"image"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// provenPictures without a B slice are enough to trust a stream whose parameter sets leave it open: an encoder that makes
// B slices at all makes them in each group, and all but still pictures have some within two seconds of 25 a second.
const provenPictures = 50

// Reasons why a stream is not relayed.
const (
	reasonNoStream  = "no H.264 stream has come from the camera"
	reasonNoKey     = "no key picture has come from the camera yet"
	reasonUnproven  = "it is not known yet whether the camera's stream has B-frames"
	reasonRate      = "it is not known yet how many frames a second the camera gives"
	reasonBFrames   = "the camera's stream has B-frames"
	reasonInterlace = "the camera's stream is interlaced"
	reasonOdd       = "the camera's stream has a size that cannot be"
	reasonUnread    = "the camera's stream has parameter sets that cannot be read"
)

// streamLook reads of a camera's own H.264 stream what must be known before a browser may have it. One goroutine at a time.
type streamLook struct {
	sps, pps []byte // the newest, for key pictures that come without
	set      setFacts
	plain    int  // pictures in a row without a B slice
	bidirect bool // a B slice came, less than provenPictures ago
	frame    int  // frame_num of the newest reference picture; -1 if unknown
}

// setFacts is what a sequence parameter set says.
type setFacts struct {
	reason   string // why it cannot be relayed; empty if it can
	profile  uint8
	size     image.Point
	inOrder  bool // pictures are shown in the order they come
	numBits  int  // of frame_num; 0: gaps in it are allowed, or unknown
	separate bool // slices name their colour plane
}

// unitFacts is what an access unit is.
type unitFacts struct {
	picture, key bool
	lost         bool     // reference pictures are missing before it
	nals         [][]byte // what a receiver needs of it: parameter sets, before a key picture in any case, and slices
}

// look reads an access unit in Annex B. It takes any bytes.
func (l *streamLook) look(data []byte) (u unitFacts) {
	var sps, pps, slices [][]byte
	reference, num, b := false, -1, false
	for nal := range nalUnits(data) {
		switch kind := h264.NALUType(nal[0] & 0x1f); kind {
		case h264.NALUTypeSPS:
			sps = append(sps, nal)
			l.learn(nal)
		case h264.NALUTypePPS:
			pps = append(pps, nal)
		case h264.NALUTypeIDR, h264.NALUTypeNonIDR:
			slices = append(slices, nal)
			u.key = u.key || kind == h264.NALUTypeIDR
			reference = reference || nal[0]&0x60 != 0
			var s int
			s, num = l.slice(nal)
			b = b || s == sliceB
		}
	}
	if len(pps) > 0 {
		l.pps = annexB(pps)
	}
	if len(sps) > 0 {
		l.sps = annexB(sps)
	}
	if len(slices) == 0 {
		return unitFacts{}
	}
	u.picture = true
	l.count(b)
	u.lost = l.follow(u.key, reference, num)
	if u.key && len(sps) == 0 {
		sps = nalList(l.sps)
	}
	if u.key && len(pps) == 0 {
		pps = nalList(l.pps)
	}
	u.nals = append(append(sps, pps...), slices...)
	return u
}

// learn reads a sequence parameter set. What was found out about another one does not hold.
func (l *streamLook) learn(nal []byte) {
	if bytes.Equal(nal, bytes.TrimPrefix(l.sps, startCode)) {
		return
	}
	l.plain, l.bidirect, l.frame, l.pps = 0, false, -1, nil
	l.set = readSet(nal)
}

// readSet reads a sequence parameter set (H.264 section 7.3.2.1.1).
func readSet(nal []byte) (f setFacts) {
	var sps h264.SPS
	if err := sps.Unmarshal(nal); err != nil || sps.Log2MaxFrameNumMinus4 > 12 {
		return setFacts{reason: reasonUnread}
	}
	f.profile, f.separate = sps.ProfileIdc, sps.SeparateColourPlaneFlag
	if !sps.GapsInFrameNumValueAllowedFlag {
		f.numBits = int(sps.Log2MaxFrameNumMinus4) + 4
	}
	restricted := sps.VUI != nil && sps.VUI.BitstreamRestriction != nil && sps.VUI.BitstreamRestriction.MaxNumReorderFrames == 0
	f.inOrder = sps.ProfileIdc == profileBaseline || sps.PicOrderCntType == 2 || restricted
	const most = 16384 / 16
	switch {
	case sps.ProfileIdc != profileBaseline && sps.ProfileIdc != profileMain && sps.ProfileIdc != profileHigh,
		sps.ChromaFormatIdc != 1, sps.BitDepthLumaMinus8 != 0, sps.BitDepthChromaMinus8 != 0:
		f.reason = fmt.Sprintf("the camera's stream has profile %d, which browsers do not take", sps.ProfileIdc)
		return f
	case !sps.FrameMbsOnlyFlag:
		f.reason = reasonInterlace
		return f
	case sps.PicWidthInMbsMinus1 >= most, sps.PicHeightInMapUnitsMinus1 >= most:
		f.reason = reasonOdd
		return f
	}
	f.size = image.Pt(sps.Width(), sps.Height())
	if f.size.X <= 0 || f.size.Y <= 0 || f.size.X > 16*most || f.size.Y > 16*most {
		f.reason = reasonOdd
	}
	return f
}

const (
	// sliceB is slice_type of B slices, modulo 5 (H.264 table 7-6).
	sliceB = 1
	// sliceHead is the bytes of a slice that hold the numbers at its start.
	sliceHead = 32
)

// slice reads a slice header's start (H.264 section 7.3.3): slice_type modulo 5 and frame_num, -1 if unknown.
func (l *streamLook) slice(nal []byte) (kind, num int) {
	buf := h264.EmulationPreventionRemove(nal[:min(len(nal), sliceHead)])
	pos := 8
	_, err1 := bits.ReadGolombUnsigned(buf, &pos) // first_mb_in_slice
	t, err2 := bits.ReadGolombUnsigned(buf, &pos)
	if err1 != nil || err2 != nil {
		return -1, -1
	}
	kind = int(t % 5)
	_, err := bits.ReadGolombUnsigned(buf, &pos) // pic_parameter_set_id
	if l.set.separate {
		pos += 2
	}
	if err != nil || l.set.numBits == 0 || pos > 8*len(buf) {
		return kind, -1
	}
	n, err := bits.ReadBits(buf, &pos, l.set.numBits)
	if err != nil {
		return kind, -1
	}
	return kind, int(n)
}

// count remembers how long ago a B slice came.
func (l *streamLook) count(b bool) {
	if b {
		l.plain, l.bidirect = 0, true
		return
	}
	if l.plain++; l.plain >= provenPictures {
		l.bidirect = false
	}
}

// follow says whether reference pictures are missing before one: frame_num counts them.
func (l *streamLook) follow(key, reference bool, num int) (lost bool) {
	if num >= 0 && l.frame >= 0 && !key {
		lost = num != l.frame && num != (l.frame+1)&(1<<l.set.numBits-1)
	}
	if key || reference {
		l.frame = num
	}
	return lost
}

// verdict is why the stream cannot be relayed; empty if it can.
func (l *streamLook) verdict() string {
	switch {
	case l.sps == nil || l.pps == nil:
		return reasonNoKey
	case l.set.reason != "":
		return l.set.reason
	case l.bidirect:
		return reasonBFrames
	case !l.set.inOrder && l.plain < provenPictures:
		return reasonUnproven
	}
	return ""
}

var startCode = []byte{0, 0, 0, 1}

// annexB joins NAL units. It copies them.
func annexB(nals [][]byte) (data []byte) {
	for _, n := range nals {
		data = append(append(data, startCode...), n...)
	}
	return data
}

func nalList(data []byte) (nals [][]byte) {
	for n := range nalUnits(data) {
		nals = append(nals, n)
	}
	return nals
}

// nalUnits goes through the NAL units of Annex B, none of them empty. What stands before the first start code is left out.
func nalUnits(data []byte) func(yield func([]byte) bool) {
	code := startCode[1:]
	return func(yield func([]byte) bool) {
		i := bytes.Index(data, code)
		for i >= 0 {
			data = data[i+len(code):]
			i = bytes.Index(data, code)
			nal := data
			if i >= 0 {
				nal = data[:i]
			}
			if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 && !yield(nal) {
				return
			}
		}
	}
}
