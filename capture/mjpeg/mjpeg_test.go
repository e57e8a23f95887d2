package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// picture is a JPEG of noise-like pixels, different for each n.
func picture(t testing.TB, n int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for y := range 48 {
		for x := range 64 {
			m.Set(x, y, color.RGBA{uint8(x*n + y), uint8(y * x), uint8(n * 17), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withThumbnail puts a whole picture into an application segment of another.
func withThumbnail(p, thumb []byte) []byte {
	n := len(thumb) + 2
	out := append([]byte{0xff, soi, 0xff, app + 1, byte(n >> 8), byte(n)}, thumb...)
	return append(out, p[2:]...)
}

func part(p []byte, length int) string {
	head := "--b\r\nContent-Type: image/jpeg\r\n"
	if length >= 0 {
		head += fmt.Sprintf("Content-Length: %d\r\n", length)
	}
	return head + "\r\n" + string(p) + "\r\n"
}

func all(t testing.TB, r io.Reader, max int) (list []Picture, err error) {
	t.Helper()
	s := New(r, max, "--b")
	for {
		p, err := s.Next()
		if err != nil {
			return list, err
		}
		if p.At.IsZero() {
			t.Error("a picture has no time")
		}
		list = append(list, p)
	}
}

func TestStreams(t *testing.T) {
	a, b, c := picture(t, 1), picture(t, 2), picture(t, 3)
	noEOI := a[:len(a)-2]
	scan := bytes.Index(a, []byte{0xff, sos})
	half := a[:scan+(len(a)-scan)/2]
	damaged := bytes.Clone(a)
	copy(damaged[scan+60:], []byte{0xff, dht, 0xff, 0xfa, 1, 2}) // a length beyond the picture
	short := bytes.Clone(a)
	copy(short[scan+60:], []byte{0xff, com, 0, 1})
	wrongMarker := bytes.Clone(a)
	copy(wrongMarker[scan+60:], []byte{0xff, 0x37, 0xff, dqt, 0, 4, 1, 2, 3})
	stuffed := append(bytes.Clone(a[:len(a)-2]), 0xff, 0xff, 0xff, eoi) // fill bytes before a marker
	thumb := withThumbnail(b, a)
	rows := []struct {
		name   string
		stream string
		want   [][]byte
	}{
		{"one after another", string(a) + string(b) + string(c), [][]byte{a, b, c}},
		{"parts with lengths", part(a, len(a)) + part(b, len(b)), [][]byte{a, b}},
		{"parts without lengths", part(a, -1) + part(b, -1), [][]byte{a, b}},
		{"lengths too small", part(a, 10) + part(b, 0), [][]byte{a, b}},
		{"lengths too large", part(a, 1e9) + part(b, len(b)+7), [][]byte{a, b}},
		{"junk between", "hello" + string(a) + strings.Repeat("\xff\xd8x\xff", 50) + string(b), [][]byte{a, b}},
		{"SOI in junk", "\xff\xd8\xff\xe0" + string(a) + strings.Repeat("x", 1<<16), [][]byte{a}},
		{"tables only", "\xff\xd8\xff\xdb\x00\x04ab\xff\xd9" + string(a), [][]byte{a}},
		{"thumbnail", string(thumb) + string(a), [][]byte{thumb, a}},
		{"no end", part(noEOI, -1) + part(b, -1), [][]byte{noEOI, b}},
		{"half", part(half, len(a)) + part(b, -1), [][]byte{half, b}},
		{"half without boundary", string(half) + string(b), [][]byte{half, b}},
		{"half of the headers", string(a[:100]) + string(b) + string(c), [][]byte{b, c}},
		{"damaged length", string(damaged) + string(b), [][]byte{damaged, b}},
		{"damaged length too short", string(short) + string(b), [][]byte{short, b}},
		{"damaged marker", string(wrongMarker) + string(b), [][]byte{wrongMarker, b}},
		{"fill bytes", string(stuffed) + string(b), [][]byte{stuffed, b}},
		{"nothing", "", nil},
	}
	for _, r := range rows {
		for _, by := range []string{"at once", "by the byte"} {
			t.Run(r.name+"/"+by, func(t *testing.T) {
				var in io.Reader = strings.NewReader(r.stream)
				if by == "by the byte" {
					in = iotest.OneByteReader(in)
				}
				got, err := all(t, in, 1<<20)
				if err != io.EOF {
					t.Fatalf("ended with %v", err)
				}
				if len(got) != len(r.want) {
					t.Fatalf("%d pictures, want %d", len(got), len(r.want))
				}
				for i, p := range got {
					if !bytes.Equal(p.Data, r.want[i]) {
						t.Errorf("picture %d has %d bytes, want %d", i, len(p.Data), len(r.want[i]))
					}
					if p.Cut != (bytes.Equal(p.Data, noEOI) || bytes.Equal(p.Data, half)) {
						t.Errorf("picture %d: cut is %v", i, p.Cut)
					}
				}
			})
		}
	}
}

// endless repeats a text.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.text[e.at]
		e.at = (e.at + 1) % len(e.text)
	}
	return len(b), nil
}

func TestBounds(t *testing.T) {
	a := picture(t, 1)
	body := io.MultiReader(bytes.NewReader(a[:len(a)-2]), &endless{text: "x"})
	if _, err := all(t, body, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a picture without end: %v", err)
	}
	_, err := all(t, &endless{text: "--b\r\nContent-Type: text/plain\r\n\r\nno picture\r\n"}, 1<<20)
	if err == nil || !strings.Contains(err.Error(), `no JPEG picture in 1 MiB of data (its parts say that they are "text/plain")`) {
		t.Errorf("no picture: %v", err)
	}
	s := New(&endless{text: "\xff\xd8\xff\xe1\xff\xff"}, 1<<20, "")
	if _, err := s.Next(); err == nil {
		t.Error("a picture of application segments only has no end")
	}
	if cap(s.buf) > 3<<20 {
		t.Errorf("the buffer grew to %d bytes", cap(s.buf))
	}
	if _, err := New(silent{}, 1<<20, "").Next(); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestPicturesAreTheCallers(t *testing.T) {
	a, b := picture(t, 1), picture(t, 2)
	s := New(bytes.NewReader(append(bytes.Clone(a), b...)), 1<<20, "")
	p, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Data, a) {
		t.Error("the first picture changed when the second was read")
	}
}

func FuzzScanner(f *testing.F) {
	a, b := picture(f, 1), picture(f, 2)
	f.Add([]byte(part(a, 5)+part(b, -1)), 7)
	f.Add(append(bytes.Clone(a[:300]), b...), 100)
	f.Add(withThumbnail(a, b), 4096)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		const max = 1 << 14
		in := &chunks{data: data, step: 1 + (step&0x7fffffff)%5000}
		list, err := all(t, in, max)
		if err == nil {
			t.Fatal("no end")
		}
		total := 0
		for _, p := range list {
			total += len(p.Data)
			if !bytes.HasPrefix(p.Data, start) {
				t.Fatal("a picture without beginning")
			}
			if !p.Cut && !bytes.HasSuffix(p.Data, []byte{0xff, eoi}) {
				t.Fatal("a picture without end that is not marked as cut")
			}
		}
		if total > len(data) {
			t.Fatalf("%d bytes of pictures in %d", total, len(data))
		}
		whole, err2 := all(t, bytes.NewReader(data), max)
		if errors.Is(err, io.EOF) && errors.Is(err2, io.EOF) && len(whole) != len(list) {
			t.Fatalf("%d pictures in steps of %d, %d at once", len(list), in.step, len(whole))
		}
	})
}

type chunks struct {
	data []byte
	step int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.data[:min(c.step, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

func BenchmarkScanner(b *testing.B) {
	p := picture(b, 1)
	for len(p) < 100<<10 { // a picture of 1280x720 has some 100 KB
		p = append(p[:len(p)-2], p[len(p)/2:]...)
	}
	b.SetBytes(int64(len(p)))
	s := New(&endless2{p: p}, 8<<20, "--boundary")
	for b.Loop() {
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

type endless2 struct {
	p  []byte
	at int
}

func (e *endless2) Read(b []byte) (int, error) {
	n := copy(b, e.p[e.at:])
	e.at = (e.at + n) % len(e.p)
	return n, nil
}
