package v4l2m2m

import "bytes"

// NAL unit types, H.264 table 7-1.
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
	nalPPS   = 8
)

var startCode = []byte{0, 0, 0, 1}

// assemble makes an access unit of what the device gave: slices, and the parameter sets before an IDR picture. headers are
// the sets as they came last; the newest are returned. Other NAL units (delimiters, timing) are left out: nobody reads them.
// Without a slice there is no unit.
func assemble(data, headers []byte) (unit, newest []byte) {
	var sets, slices []byte
	for nal := range nals(data) {
		switch nal[0] & 0x1f {
		case nalSPS, nalPPS:
			sets = append(append(sets, startCode...), nal...)
		case nalSlice, nalIDR:
			slices = append(append(slices, startCode...), nal...)
		}
	}
	if sets != nil {
		headers = sets
	}
	if isKey(slices) {
		slices = append(bytes.Clone(headers), slices...)
	}
	return slices, headers
}

// nals goes through the NAL units of an Annex B stream, without start codes.
func nals(data []byte) func(yield func([]byte) bool) {
	code := startCode[1:]
	return func(yield func([]byte) bool) {
		i := bytes.Index(data, code)
		for i >= 0 {
			data = data[i+len(code):]
			nal := data
			if i = bytes.Index(data, code); i >= 0 {
				nal = data[:i]
			}
			nal = bytes.TrimRight(nal, "\x00") // of the next start code, or after the last one; a NAL unit ends in a 1 bit
			if len(nal) > 0 && !yield(nal) {
				return
			}
		}
	}
}

// isKey says whether a unit holds an IDR picture.
func isKey(unit []byte) bool {
	for nal := range nals(unit) {
		if nal[0]&0x1f == nalIDR {
			return true
		}
	}
	return false
}

// level is the least that holds the pictures, as the control V4L2_CID_MPEG_VIDEO_H264_LEVEL numbers it.
func level(p setup) int {
	blocks := float64((p.size.X + 15) / 16 * ((p.size.Y + 15) / 16))
	for _, l := range levels {
		if blocks <= l.blocks && blocks*p.fps <= l.perSecond && float64(p.bitrate) <= l.kbit*1000 {
			return l.value
		}
	}
	return levels[len(levels)-1].value
}

// levels are rows of H.264 table A-1: macroblocks of a frame and of a second, kbit/s in baseline.
var levels = []struct {
	value                   int
	blocks, perSecond, kbit float64
}{
	{5, 396, 11_880, 2_000},      // 2
	{6, 792, 19_800, 4_000},      // 2.1
	{7, 1_620, 20_250, 4_000},    // 2.2
	{8, 1_620, 40_500, 10_000},   // 3
	{9, 3_600, 108_000, 14_000},  // 3.1
	{10, 5_120, 216_000, 20_000}, // 3.2
	{11, 8_192, 245_760, 20_000}, // 4
	{12, 8_192, 245_760, 50_000}, // 4.1
	{13, 8_704, 522_240, 50_000}, // 4.2
	{14, 22_080, 589_824, 135_000},
	{15, 36_864, 983_040, 240_000}, // 5.1
}
