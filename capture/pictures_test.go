package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color/palette"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
)

// encoded is the test picture in a format of OpenCV's.
func encoded(t testing.TB, ext string, w, h int) []byte {
	t.Helper()
	m, err := gocv.ImageToMatRGB(testPicture(9, w, h))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	buf, err := gocv.IMEncode(gocv.FileExt(ext), m)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Close()
	return bytes.Clone(buf.GetBytes())
}

func TestPictureFormats(t *testing.T) {
	for _, ext := range []string{".jpg", ".png", ".bmp", ".webp", ".ppm"} {
		t.Run(ext, func(t *testing.T) {
			f := pipeline.NewFrame()
			defer f.Close()
			if err := decodePicture(encoded(t, ext, 41, 23), f); err != nil {
				t.Fatal(err)
			}
			if f.Size() != image.Pt(41, 23) || f.Format != pipeline.BGR {
				t.Fatalf("%v of %v", f.Format, f.Size())
			}
			at := (11*41 + 20) * 3
			b, g, r := int(f.Pix()[at]), int(f.Pix()[at+1]), int(f.Pix()[at+2])
			if max(abs(b-9), abs(g-11), abs(r-20)) > 12 {
				t.Errorf("pixel (20,11) is b %d g %d r %d, want 9 11 20", b, g, r)
			}
		})
	}
}

func abs(v int) int { return max(v, -v) }

func TestPictureOrderAndSkipping(t *testing.T) {
	dir := folder(t)
	for _, name := range []string{"img3.png", ".hidden.png"} {
		writeFile(t, dir, name, []byte("damaged"))
	}
	writeFile(t, dir, "notes.txt", []byte("no picture"))
	if err := os.Mkdir(filepath.Join(dir, "sub.png"), 0o700); err != nil {
		t.Fatal(err)
	}
	src, err := Open(context.Background(), dir, Options{Speed: Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	var names []string
	for {
		err := src.Read(context.Background(), f)
		if err == io.EOF {
			break
		}
		name := filepath.Base(src.(Namer).Name())
		var pe *PictureError
		if errors.As(err, &pe) {
			if filepath.Base(pe.Path) != name {
				t.Errorf("error of %s, name %s", pe.Path, name)
			}
			name += "!"
		} else if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if want := []string{"img1.png", "img2.jpg", "img3.png!", "img10.png"}; !slices.Equal(names, want) {
		t.Errorf("pictures %v, want %v", names, want)
	}
}

func TestNaturalOrder(t *testing.T) {
	want := []string{"", "a", "a1", "a01", "a2", "a10", "a10b", "a10b2", "a10b10", "a100", "b", "b99999999999999999999998",
		"b99999999999999999999999"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, naturalCompare)
	slices.Sort(got[2:4]) // a01, a1: their order is fixed but of no meaning
	slices.Sort(want[2:4])
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHostilePictures(t *testing.T) {
	pngBomb := func(w, h uint32) []byte {
		data := encoded(t, ".png", 8, 8)
		binary.BigEndian.PutUint32(data[16:], w)
		binary.BigEndian.PutUint32(data[20:], h)
		return withPNGSum(data)
	}
	jpg := encoded(t, ".jpg", 300, 300)
	jpgBomb := bytes.Clone(jpg)
	sof := bytes.Index(jpgBomb, []byte{0xff, 0xc0})
	copy(jpgBomb[sof+5:], []byte{0xff, 0xff, 0xff, 0xff})
	bmp := encoded(t, ".bmp", 8, 8)
	binary.LittleEndian.PutUint32(bmp[18:], 0x7fffffff)
	webp := encoded(t, ".webp", 8, 8)
	rows := []struct {
		name string
		data []byte
		says string
	}{
		{"png of 50000x50000", pngBomb(50000, 50000), "the limit is 128 million"},
		{"png of 2^31 columns", pngBomb(1<<31-1, 1), ""},
		{"png of no rows", pngBomb(5, 0), ""},
		{"jpeg of 65535x65535", jpgBomb, "the limit is 128 million"},
		{"jpeg cut short", jpg[:len(jpg)-100], "cut short"},
		{"jpeg without a scan", jpg[:sof], "damaged JPEG header"},
		{"bmp of 2^31 columns", bmp, "the limit"},
		{"bmp of a header", []byte("BM123456"), "damaged BMP header"},
		{"webp cut short", webp[:40], "damaged"},
		{"webp of another kind", slices.Concat(webp[:12], []byte("ANIM"), webp[16:]), "damaged WebP header"},
		{"pnm of 10^9 columns", []byte("P6 999999999 999999999 255\n"), "the limit"},
		{"pnm without a size", []byte("P6 # nothing"), "damaged PNM header"},
		{"tiff under another name", []byte("II*\x00\x08\x00\x00\x00"), "it is no JPEG"},
		{"nothing", nil, "it is no JPEG"},
	}
	f := pipeline.NewFrame()
	defer f.Close()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			err := decodePicture(r.data, f)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Errorf("%v, want %q", err, r.says)
			}
		})
	}
}

// withPNGSum sets right the checksum of a PNG's header chunk.
func withPNGSum(data []byte) []byte {
	crc := ^uint32(0)
	for _, b := range data[12:29] {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ 0xedb88320&-(crc&1)
		}
	}
	binary.BigEndian.PutUint32(data[29:], ^crc)
	return data
}

// The header is read in the same way as the standard library does.
func TestJPEGSizeAgrees(t *testing.T) {
	for _, size := range []image.Point{{X: 1, Y: 1}, {X: 300, Y: 2}, {X: 17, Y: 1000}} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, testPicture(0, size.X, size.Y), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := pictureSize(b.Bytes()); err != nil || got != size {
			t.Errorf("%v, %v, want %v", got, err, size)
		}
	}
}

func FuzzPicture(f *testing.F) {
	for _, ext := range []string{".jpg", ".png", ".bmp", ".webp", ".ppm"} {
		f.Add(encoded(f, ext, 5, 3))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, 3, 3), palette.WebSafe)); err == nil {
		f.Add(b.Bytes())
	}
	frame := pipeline.NewFrame()
	f.Fuzz(func(t *testing.T, data []byte) {
		// Large pictures are refused or take long to decode: neither finds anything new.
		if size, err := pictureSize(data); err == nil && size.X > 0 && size.Y > 0 && size.X > 1<<20/size.Y {
			return
		}
		if err := decodePicture(data, frame); err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %v", err)
			}
			return
		}
		if s := frame.Size(); len(frame.Pix()) != s.X*s.Y*3 || s.X == 0 || s.Y == 0 {
			t.Errorf("%d bytes for %v", len(frame.Pix()), s)
		}
	})
}
