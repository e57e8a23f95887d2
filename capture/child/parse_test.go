package child

import (
	"bytes"
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"
	"time"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

func TestWords(t *testing.T) {
	rows := []struct {
		in   string
		want []string
		says string
	}{
		{`a b  c`, []string{"a", "b", "c"}, ""},
		{" \t a ", []string{"a"}, ""},
		{`a 'b c' "d e"`, []string{"a", "b c", "d e"}, ""},
		{`a ''`, []string{"a", ""}, ""},
		{`a b'c'"d"e`, []string{"a", "bcde"}, ""},
		{`a \'b\ c\\`, []string{"a", `'b c\`}, ""},
		{`a "b\"c\\d\e\$f"`, []string{"a", `b"c\d\e$f`}, ""},
		{`a 'b\'`, []string{"a", `b\`}, ""},
		{`a $HOME * ~ ${x} $(y) #z`, []string{"a", "$HOME", "*", "~", "${x}", "$(y)", "#z"}, ""},
		{`a http://x/?a=1&b=2;c`, []string{"a", "http://x/?a=1&b=2;c"}, ""},
		{`a '|' ">"`, []string{"a", "|", ">"}, ""},
		{`a | b`, nil, "there is no shell here"},
		{`a > b`, nil, "there is no shell here"},
		{`a &`, nil, "there is no shell here"},
		{`a 'b`, nil, "begins with ' has no end"},
		{`a "b\"`, nil, `begins with " has no end`},
		{`a \`, nil, "a backslash at the end"},
		{``, nil, "no program is named"},
		{`  `, nil, "no program is named"},
		{`'' a`, nil, "no program is named"},
	}
	for _, r := range rows {
		t.Run(r.in, func(t *testing.T) {
			got, err := words(r.in)
			if r.says != "" {
				if err == nil || !strings.Contains(err.Error(), r.says) {
					t.Errorf("%q, %v, want %q", got, err, r.says)
				}
				return
			}
			if err != nil || !slices.Equal(got, r.want) {
				t.Errorf("%q, %v, want %q", got, err, r.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	c, err := Parse("exec:?format=nv12&size=640x480&fps=12.5&stride=704&range=full&matrix=bt709 /usr/bin/cam -p hunter2 'a b'")
	if err != nil {
		t.Fatal(err)
	}
	if c.Format != NV12 || c.Size != image.Pt(640, 480) || c.FPS != 12.5 || c.Stride != 704 || !c.Full || c.Matrix != yuv.BT709 || len(c.args) != 4 {
		t.Errorf("%+v", c)
	}
	for _, s := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
		if s != "exec:cam" {
			t.Errorf("it calls itself %q", s)
		}
	}
	if c.interval() != 80*time.Millisecond || c.bytes() != 704*480*3/2 {
		t.Errorf("interval %v, %d bytes", c.interval(), c.bytes())
	}
	c, err = Parse("LibCamera:")
	if err != nil || c.Size != image.Pt(1280, 720) || !c.Full || c.Format != I420 || c.String() != "libcamera:" {
		t.Errorf("%v %v", c, err)
	}
	c, err = Parse("libcamera:?arg=--roi&arg=0%2C0,1,1&arg=--gain=1%2b1&arg=a%20b+c")
	if err != nil || !slices.Equal(c.args[len(c.args)-4:], []string{"--roi", "0,0,1,1", "--gain=1+1", "a b+c"}) {
		t.Errorf("%q %v", c.args, err)
	}
}

func TestParseErrors(t *testing.T) {
	rows := []struct{ spec, says string }{
		{"", "want exec:"},
		{"file:x", "want exec:"},
		{"exec:", "no program is named"},
		{"exec:?fps=1", "no program is named"},
		{"exec:?format=avi x hunter2", `format "avi" is not known`},
		{"exec:?format=i420 x hunter2", "add size=WIDTHxHEIGHT"},
		{"exec:?size=64x48 x hunter2", "are for i420 and nv12"},
		{"exec:?format=i420&size=63x48 x", "want even sides from 2 to 8192"},
		{"exec:?format=i420&size=64x48&stride=62 x", "stride 62"},
		{"exec:?format=i420&size=64x48&stride=65 x", "stride 65"},
		{"exec:?format=i420&size=64x048 x", `size "64x048"`},
		{"exec:?fps=0 x", `fps "0"`},
		{"exec:?fps=nan x", `fps "nan"`},
		{"exec:?fps=1&fps=2 x", "fps is given twice"},
		{"exec:?fps x", `option "fps": want name=value`},
		{"exec:?speed=1 x", `unknown option "speed"`},
		{"exec:?format=i420&size=64x48&range=some x", `range "some"`},
		{"exec:?format=i420&size=64x48&matrix=x x", `matrix "x"`},
		{"exec:x 'hunter2", "has no end"},
		{"exec:x\nhunter2", "line breaks"},
		{"libcamera:?camera=-1", `camera "-1"`},
		{"libcamera:?camera=01", `camera "01"`},
		{"libcamera:?rotation=90", `rotation "90"`},
		{"libcamera:?hflip=yes", `hflip "yes"`},
		{"libcamera:?arg=--codec", "arg --codec is set by yfv2d"},
		{"libcamera:?arg=--width=3", "write size=... instead"},
		{"libcamera:?arg=a%0ab", "line breaks"},
		{"libcamera:?size=640x480&stride=100", "stride 100"},
		{"libcamera:0", `option "0"`},
	}
	for _, r := range rows {
		t.Run(r.spec, func(t *testing.T) {
			_, err := Parse(r.spec)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Fatalf("%v, want %q", err, r.says)
			}
			if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "source ") {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestStrideOf(t *testing.T) {
	rows := []struct {
		bytes int64
		size  image.Point
		want  int
	}{
		{832 * 360 * 3 / 2, image.Pt(780, 360), 832},     // a Pi 4
		{896 * 360 * 3 / 2, image.Pt(780, 360), 896},     // a Pi 5
		{780 * 360 * 3 / 2, image.Pt(780, 360), 780},     // no padding
		{3 * 832 * 360 * 3 / 2, image.Pt(780, 360), 832}, // three pictures
		{832*360*3/2 + 1, image.Pt(780, 360), 0},         // half of one
		{1, image.Pt(780, 360), 0},
	}
	for _, r := range rows {
		got, err := strideOf(r.bytes, r.size)
		if got != r.want || (err == nil) != (r.want > 0) {
			t.Errorf("%d bytes of %v: %d, %v, want %d", r.bytes, r.size, got, err, r.want)
		}
	}
}

// gather splits a stream that comes in steps.
func gather(h265 bool, data []byte, step int) (units [][]byte) {
	s := &splitter{h265: h265, max: 1 << 16, emit: func(u []byte, _ time.Time) { units = append(units, u) }}
	for len(data) > 0 {
		n := min(step, len(data))
		s.write(data[:n], time.Now())
		data = data[n:]
	}
	s.flush()
	return units
}

func TestSplitter(t *testing.T) {
	nal := func(b ...byte) []byte { return append([]byte{0, 0, 0, 1}, b...) }
	short := func(b ...byte) []byte { return append([]byte{0, 0, 1}, b...) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	sps, pps := nal(0x67, 1, 2, 3), nal(0x68, 4, 5)
	idr, idr2 := nal(0x65, 0x88, 7), short(0x65, 0x08, 8)
	p, p2, aud := nal(0x41, 0x9a, 9), short(0x41, 0x1a, 9), nal(0x09, 0xf0, 0x80)
	sets := join(sps, pps)
	vps, sps5, pps5 := nal(0x40, 1, 0xc), nal(0x42, 1, 2), nal(0x44, 1, 3)
	key5, key5b, p5 := nal(0x26, 1, 0xaf, 1), short(0x26, 1, 0x2f, 1), nal(0x02, 1, 0xd0, 1)
	rows := []struct {
		name string
		h265 bool
		in   []byte
		want [][]byte
	}{
		{"slices", false, join(sets, idr, idr2, p, p2, p), [][]byte{join(sets, idr, idr2), join(p, p2), p}},
		{"delimiters", false, join(aud, sets, idr, aud, p), [][]byte{join(aud, sets, idr), join(aud, p)}},
		{"sets once", false, join(sets, idr, p, idr, aud, idr), [][]byte{join(sets, idr), p, join(sets, idr), join(aud, sets, idr)}},
		{"new sets", false, join(sets, idr, nal(0x67, 9, 9, 9), pps, idr, idr), [][]byte{join(sets, idr), join(nal(0x67, 9, 9, 9), pps, idr), join(nal(0x67, 9, 9, 9), pps, idr)}},
		{"junk before", false, join([]byte{1, 2, 0, 0, 3, 4}, sets, idr), [][]byte{join(sets, idr)}},
		{"zeros between", false, join(sets, idr, []byte{0, 0, 0}, p), [][]byte{join(sets, idr, []byte{0, 0, 0}), p}},
		{"H.265", true, join(vps, sps5, pps5, key5, key5b, p5, p5), [][]byte{join(vps, sps5, pps5, key5, key5b), p5, p5}},
		{"H.265, sets once", true, join(vps, sps5, pps5, key5, p5, key5), [][]byte{join(vps, sps5, pps5, key5), p5, join(vps, sps5, pps5, key5)}},
		{"nothing", false, []byte{1, 2, 3}, nil},
	}
	for _, r := range rows {
		for _, step := range []int{1, 2, 3, 5, 1000} {
			t.Run(fmt.Sprint(r.name, " by ", step), func(t *testing.T) {
				got := gather(r.h265, r.in, step)
				if len(got) != len(r.want) {
					t.Fatalf("%d units %x, want %d", len(got), got, len(r.want))
				}
				for i := range got {
					if !bytes.Equal(got[i], r.want[i]) {
						t.Errorf("unit %d is %x, want %x", i, got[i], r.want[i])
					}
				}
			})
		}
	}
	t.Run("too large", func(t *testing.T) {
		got := gather(false, join(sets, idr, nal(0x41, 0x9a), bytes.Repeat([]byte{7}, 1<<18), p, p), 999)
		if len(got) != 4 || got[1] != nil || !bytes.Equal(got[3], p) {
			t.Errorf("%d units", len(got))
		}
	})
}

func FuzzSplitter(f *testing.F) {
	f.Add(false, []byte("\x00\x00\x00\x01\x67abc\x00\x00\x01\x68ab\x00\x00\x01\x65\x88ab\x00\x00\x01\x41\x9aab"), 3)
	f.Add(true, []byte("\x00\x00\x00\x01\x40\x01a\x00\x00\x01\x42\x01a\x00\x00\x01\x26\x01\xafab\x00\x00\x01\x02\x01\xd0"), 7)
	f.Fuzz(func(t *testing.T, h265 bool, data []byte, step int) {
		step = 1 + (step&0x7fffffff)%2000
		a, b := gather(h265, data, step), gather(h265, data, len(data)+1)
		if len(data) < 1<<16 && len(a) != len(b) {
			t.Fatalf("%d units by steps of %d, %d at once", len(a), step, len(b))
		}
		for _, u := range a {
			if u != nil && !bytes.HasPrefix(bytes.TrimLeft(u, "\x00"), []byte{1}) {
				t.Fatalf("unit %x has no start code", u)
			}
		}
	})
}

func FuzzDemuxer(f *testing.F) {
	f.Add(transport(f), 100)
	f.Add(transport(f)[77:], 188)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step = 1 + (step&0x7fffffff)%2000
		d := newDemuxer(func(c pipeline.Codec) (*splitter, error) {
			return &splitter{h265: c == pipeline.H265, max: 1 << 16, emit: func([]byte, time.Time) {}}, nil
		})
		for len(data) > 0 {
			n := min(step, len(data))
			if d.write(data[:n], time.Now()) != nil {
				return
			}
			data = data[n:]
		}
		if d.split != nil && len(d.split.buf) > 1<<17 || len(d.pat.buf) > 2048 || len(d.pmt.buf) > 2048 {
			t.Fatal("it keeps too much")
		}
		_ = d.flush(time.Now())
	})
}

func FuzzParse(f *testing.F) {
	f.Add("exec:?format=i420&size=64x48&fps=3 a 'b c' \"d\"")
	f.Add("libcamera:?arg=--exposure&arg=sport&rotation=180")
	f.Add("exec:a\\ b | c")
	f.Fuzz(func(t *testing.T, spec string) {
		c, err := Parse(spec)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Fatalf("%q", err)
			}
			return
		}
		if len(c.args) == 0 || c.Format.raw() && (c.bytes() <= 0 || c.row() < c.Size.X) {
			t.Fatalf("%q gives %q %v", spec, c.args, c.Size)
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add(`a 'b' "c\"" \d`)
	f.Fuzz(func(t *testing.T, s string) {
		list, err := words(s)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range list { // quoted again, it is the same
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := words(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(list, again) {
			t.Fatalf("%q, again %q: %v", list, again, err)
		}
	})
}
