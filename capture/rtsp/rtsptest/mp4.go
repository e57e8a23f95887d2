package rtsptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"yfv2d/pipeline"
)

// LoadMP4 reads the H.264 track of a plain .mp4 file (one track, not fragmented, without B-frames) as a clip.
func LoadMP4(path string) (Clip, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return Clip{}, err
	}
	c, err := parseMP4(file)
	if err != nil {
		return Clip{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

var errShort = errors.New("no plain .mp4 file with H.264")

// box finds the first box along a path of names (each of four letters) and gives its contents.
func box(data []byte, names ...string) ([]byte, error) {
	for _, name := range names {
		var found []byte
		for rest := data; len(rest) >= 8 && found == nil; {
			size := int(binary.BigEndian.Uint32(rest))
			if size < 8 || size > len(rest) {
				return nil, errShort
			}
			if string(rest[4:8]) == name {
				found = rest[8:size]
			}
			rest = rest[size:]
		}
		if found == nil {
			return nil, fmt.Errorf("%w: no box %q", errShort, name)
		}
		data = found
	}
	return data, nil
}

// table is the body of a box of 32-bit numbers behind version and flags.
func table(stbl []byte, name string) ([]uint32, error) {
	b, err := box(stbl, name)
	if err != nil {
		return nil, err
	}
	if len(b) < 8 {
		return nil, errShort
	}
	t := make([]uint32, 0, len(b)/4)
	for b = b[4:]; len(b) >= 4; b = b[4:] {
		t = append(t, binary.BigEndian.Uint32(b))
	}
	return t, nil
}

func parseMP4(file []byte) (Clip, error) {
	mdia, err := box(file, "moov", "trak", "mdia")
	if err != nil {
		return Clip{}, err
	}
	stbl, err := box(mdia, "minf", "stbl")
	if err != nil {
		return Clip{}, err
	}
	sets, err := parameterSets(stbl)
	if err != nil {
		return Clip{}, err
	}
	samples, err := sampleBytes(file, stbl)
	if err != nil {
		return Clip{}, err
	}
	interval, err := sampleInterval(mdia, stbl)
	if err != nil {
		return Clip{}, err
	}
	c := Clip{Codec: pipeline.H264, Interval: interval}
	for _, s := range samples {
		u, err := annexB(s, sets)
		if err != nil {
			return Clip{}, err
		}
		c.Units = append(c.Units, u)
	}
	return c, nil
}

// sampleInterval is the time between pictures: mdhd's time scale and the first entry of stts.
func sampleInterval(mdia, stbl []byte) (time.Duration, error) {
	mdhd, err := table(mdia, "mdhd") // times of creation and change, then the scale
	if err != nil || len(mdhd) < 3 || mdhd[2] == 0 {
		return 0, errShort
	}
	stts, err := table(stbl, "stts") // count of entries, then count and duration of each
	if err != nil || len(stts) < 3 {
		return 0, errShort
	}
	return time.Duration(stts[2]) * time.Second / time.Duration(mdhd[2]), nil
}

// sampleBytes are the samples' bytes, found by the tables of sizes, of chunk offsets and of samples in a chunk.
func sampleBytes(file, stbl []byte) (samples [][]byte, err error) {
	sizes, err1 := table(stbl, "stsz")  // 0 for "each its own", count, sizes
	chunks, err2 := table(stbl, "stco") // count, offsets
	runs, err3 := table(stbl, "stsc")   // count, (first chunk, samples in each, description)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if len(sizes) < 2 || sizes[0] != 0 || len(runs) < 4 {
		return nil, errShort
	}
	sizes, chunks, runs = sizes[2:], chunks[1:], runs[1:]
	for i, at := range chunks {
		if len(runs) >= 6 && int(runs[3]) == i+1 {
			runs = runs[3:]
		}
		for n := runs[1]; n > 0 && len(sizes) > 0; n-- {
			end := int(at) + int(sizes[0])
			if end > len(file) {
				return nil, errShort
			}
			samples = append(samples, file[at:end])
			at, sizes = uint32(end), sizes[1:]
		}
	}
	return samples, nil
}

// parameterSets reads avcC: one SPS and one PPS, in Annex B.
func parameterSets(stbl []byte) ([]byte, error) {
	stsd, err := box(stbl, "stsd")
	if err != nil || len(stsd) < 8 {
		return nil, errShort
	}
	avc1, err := box(stsd[8:], "avc1")
	if err != nil || len(avc1) < 78 {
		return nil, errShort
	}
	avcC, err := box(avc1[78:], "avcC")
	if err != nil || len(avcC) < 8 || avcC[5]&0x1f != 1 {
		return nil, errShort
	}
	n := int(binary.BigEndian.Uint16(avcC[6:]))
	if len(avcC) < 8+n+3 {
		return nil, errShort
	}
	sps, rest := avcC[8:8+n], avcC[8+n+1:] // behind it the count of PPS
	m := int(binary.BigEndian.Uint16(rest))
	if len(rest) < 2+m {
		return nil, errShort
	}
	sets := append([]byte{0, 0, 0, 1}, sps...)
	return append(append(sets, startCode...), rest[2:2+m]...), nil
}

// annexB turns a sample's length prefixes into start codes and puts the parameter sets before a key picture.
func annexB(sample, sets []byte) (Unit, error) {
	var u Unit
	var body []byte
	for len(sample) > 4 {
		n := int(binary.BigEndian.Uint32(sample))
		if n == 0 || n > len(sample)-4 {
			return u, errShort
		}
		nal := sample[4 : 4+n]
		if _, key := nalKind(pipeline.H264, nal); key {
			u.Key = true
		}
		body = append(append(body, startCode...), nal...)
		sample = sample[4+n:]
	}
	if u.Key {
		u.Data = append(u.Data, sets...)
	}
	u.Data = append(u.Data, body...)
	return u, nil
}
