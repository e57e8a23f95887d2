package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // DecodeConfig
	_ "image/png"  // DecodeConfig
)

// Bounds for one picture: 128 million pixels take 384 MB decoded; more than any camera's still.
const (
	maxPicturePixels = 128 << 20
	maxPictureBytes  = 256 << 20
)

// pictureSize reads width and height from a picture's header, in memory of a constant size.
func pictureSize(data []byte) (image.Point, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return jpegSize(data)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return stdSize(data, "PNG")
	case bytes.HasPrefix(data, []byte("BM")):
		return bmpSize(data)
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return webpSize(data)
	case len(data) >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && isSpace(data[2]):
		return pnmSize(data)
	}
	return image.Point{}, errors.New("it is no JPEG, PNG, BMP, WebP or PNM picture")
}

func stdSize(data []byte, format string) (image.Point, error) {
	cfg, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return image.Point{}, fmt.Errorf("damaged %s header: %w", format, err)
	}
	return image.Pt(cfg.Width, cfg.Height), nil
}

// jpegSize walks the segments to the frame header; it does not decode, so that every kind of JPEG passes. The
// end-of-image marker must follow the first scan: OpenCV would fill what is missing of a cut file with grey.
func jpegSize(data []byte) (image.Point, error) {
	bad := errors.New("damaged JPEG header")
	var size image.Point
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			return size, bad
		}
		marker := data[at+1]
		switch {
		case marker == 0xff: // fill
			at++
			continue
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd8: // no length
			at += 2
			continue
		}
		n := int(binary.BigEndian.Uint16(data[at+2:]))
		if n < 2 || at+2+n > len(data) {
			return size, bad
		}
		switch {
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc: // frame header
			if n < 8 {
				return size, bad
			}
			size = image.Pt(int(binary.BigEndian.Uint16(data[at+7:])), int(binary.BigEndian.Uint16(data[at+5:])))
		case marker == 0xda: // first scan
			if size == (image.Point{}) {
				return size, bad
			}
			if !bytes.Contains(data[at+2+n:], []byte{0xff, 0xd9}) {
				return size, errors.New("the JPEG is cut short: its end marker is missing")
			}
			return size, nil
		}
		at += 2 + n
	}
	return size, bad
}

func bmpSize(data []byte) (image.Point, error) {
	if len(data) < 26 {
		return image.Point{}, errors.New("damaged BMP header")
	}
	if binary.LittleEndian.Uint32(data[14:]) == 12 { // OS/2
		return image.Pt(int(binary.LittleEndian.Uint16(data[18:])), int(binary.LittleEndian.Uint16(data[20:]))), nil
	}
	w, h := int32(binary.LittleEndian.Uint32(data[18:])), int32(binary.LittleEndian.Uint32(data[22:]))
	return image.Pt(int(w), max(int(h), -int(h))), nil // a negative height means top-down rows
}

func webpSize(data []byte) (image.Point, error) {
	if len(data) < 32 {
		return image.Point{}, errors.New("damaged WebP header")
	}
	le := binary.LittleEndian
	switch string(data[12:16]) {
	case "VP8 ":
		return image.Pt(int(le.Uint16(data[26:])&0x3fff), int(le.Uint16(data[28:])&0x3fff)), nil
	case "VP8L":
		bits := le.Uint32(data[21:])
		return image.Pt(int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1), nil
	case "VP8X":
		w := le.Uint32(data[24:]) & 0xffffff
		h := le.Uint32(data[26:]) >> 8
		return image.Pt(int(w)+1, int(h)+1), nil
	}
	return image.Point{}, errors.New("damaged WebP header")
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// pnmSize reads the two numbers after the magic, past comments.
func pnmSize(data []byte) (image.Point, error) {
	var n [2]int
	at := 2
	for i := range n {
		for at < len(data) && (isSpace(data[at]) || data[at] == '#') {
			if data[at] == '#' {
				for at < len(data) && data[at] != '\n' {
					at++
				}
				continue
			}
			at++
		}
		start := at
		for at < len(data) && data[at] >= '0' && data[at] <= '9' {
			n[i] = min(n[i]*10+int(data[at]-'0'), 1<<30) // far above any limit
			at++
		}
		if at == start {
			return image.Point{}, errors.New("damaged PNM header")
		}
	}
	return image.Pt(n[0], n[1]), nil
}
