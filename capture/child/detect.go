package child

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"yfv2d/capture/live"
)

// ended says whether reading stopped because there is no more to come.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, fs.ErrClosed)
}

// detect tells from how a stream begins what it is. It waits for as much as it needs.
func detect(in *bufio.Reader) (Format, error) {
	const enough = 2*tsPacket + 1
	head, err := in.Peek(8)
	if len(head) == 0 {
		return "", err
	}
	if head[0] == tsSync {
		if head, err = in.Peek(enough); err == nil && head[tsPacket] == tsSync && head[2*tsPacket] == tsSync {
			return MPEGTS, nil
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xd8, 0xff}), bytes.HasPrefix(head, []byte("--")), bytes.HasPrefix(head, []byte("\r\n--")):
		return MJPEG, nil // or parts with JPEG in them
	}
	if f, ok := annexB(head); ok {
		return f, nil
	}
	if err != nil && ended(err) && len(head) < 8 {
		return "", err // it ended before it said anything
	}
	head, _ = in.Peek(min(in.Buffered(), sample))
	return "", &live.Refused{Err: fmt.Errorf("it writes %s: want MJPEG, MPEG-TS, or H.264 or H.265 (Annex B); for raw pixels write "+
		"?format=i420&size=WIDTHxHEIGHT and a space before the program", looks(head))}
}

// annexB tells H.264 from H.265 by the header of the first NAL unit.
func annexB(b []byte) (Format, bool) {
	b = bytes.TrimLeft(b, "\x00")
	if len(b) < 3 || b[0] != 1 {
		return "", false
	}
	b = b[1:]
	if t := b[0] >> 1; b[0]&0x81 == 0 && b[1] == 1 && (t >= 32 && t <= 35 || t == 39 || t >= 16 && t <= 21) {
		return H265, true
	}
	switch b[0] & 0x9f { // H.264: a picture, message, parameter set or delimiter
	case 1, 5, 6, 7, 8, 9:
		return H264, true
	}
	return "", false
}

const sample = 48 // bytes that are shown of what cannot be read

// looks names what people try by mistake.
func looks(b []byte) string {
	for _, k := range []struct{ magic, name string }{
		{"YUV4MPEG2", "YUV4MPEG (have it write raw video)"},
		{"\x1a\x45\xdf\xa3", "Matroska (have it write MPEG-TS)"},
		{"FLV", "FLV (have it write MPEG-TS)"},
		{"RIFF", "AVI (have it write MPEG-TS)"},
		{"OggS", "Ogg"},
		{"\x89PNG", "PNG (have it write JPEG)"},
		{"DKIF", "IVF"},
		{"\x00\x00\x01\xba", "an MPEG program stream"},
		{"\x00\x00\x01\xb3", "MPEG-2 video"},
	} {
		if bytes.HasPrefix(b, []byte(k.magic)) {
			return k.name
		}
	}
	if len(b) >= 8 && string(b[4:8]) == "ftyp" {
		return "MP4 (have it write MPEG-TS)"
	}
	if line, _, _ := bytes.Cut(b, []byte("\n")); len(line) > 0 && printable(line) {
		return fmt.Sprintf("text, %q", live.Redact(string(line)))
	}
	return fmt.Sprintf("what begins with % x", b[:min(len(b), 16)])
}

func printable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' || r > '~' })
}
