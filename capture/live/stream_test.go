package live_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// units splits a clip of avdec's testdata.
func units(t testing.TB, name string) (pipeline.Codec, [][]byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../avdec/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	codec, start := pipeline.Codec(strings.TrimPrefix(filepath.Ext(name), ".")), []byte{0, 0, 0, 1, 9}
	switch codec {
	case "mjpeg":
		codec, start = pipeline.JPEG, []byte{0xff, 0xd8, 0xff}
	case pipeline.H265:
		start = []byte{0, 0, 0, 1, 35 << 1}
	}
	var list [][]byte
	for _, part := range bytes.Split(data, start)[1:] {
		list = append(list, append(bytes.Clone(start), part...))
	}
	return codec, list
}

func newStream(t testing.TB, cfg live.StreamConfig) *live.Stream {
	t.Helper()
	s, err := live.NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newFrame(t testing.TB) *pipeline.Frame {
	t.Helper()
	f := pipeline.NewFrame()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// balance checks the account of a closed stream.
func balance(t testing.TB, s *live.Stream, returned int) {
	t.Helper()
	_ = s.Close()
	c := s.UnitCounts()
	if c.Units != uint64(returned)+c.DecodeError+c.NotDecoded {
		t.Errorf("%d frames and %+v do not balance", returned, c)
	}
}

func TestWholeClip(t *testing.T) {
	for _, name := range []string{"plain.h264", "bframes.h264", "open.h264", "plain.h265", "bframes.h265"} {
		t.Run(name, func(t *testing.T) {
			codec, list := units(t, name)
			s, f := newStream(t, live.StreamConfig{Codec: codec}), newFrame(t)
			base := time.Now()
			for i, u := range list {
				s.Push(&pipeline.AccessUnit{At: base.Add(time.Duration(i) * time.Millisecond), Data: u})
			}
			s.Fail(io.EOF)
			n := 0
			for {
				err := s.Read(context.Background(), f)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != len(list) {
				t.Errorf("%d frames of %d units, %+v", n, len(list), s.UnitCounts())
			}
			balance(t, s, n)
		})
	}
}
