package avdec_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/pipeline"
)

// clip is a coded clip of testdata, one entry a unit.
type clip struct {
	codec pipeline.Codec
	units [][]byte
	md5   []string // of each picture as the ffmpeg command decodes it; none for JPEG
}

func readClip(t testing.TB, name string) clip {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	c := clip{codec: pipeline.Codec(strings.TrimPrefix(filepath.Ext(name), "."))}
	start := []byte{0, 0, 0, 1, 9} // the access unit delimiter that each unit begins with
	switch c.codec {
	case "mjpeg":
		c.codec, start = pipeline.JPEG, []byte{0xff, 0xd8, 0xff}
	case pipeline.H265:
		start = []byte{0, 0, 0, 1, 35 << 1}
	}
	parts := bytes.Split(data, start)
	for _, part := range parts[1:] {
		c.units = append(c.units, append(bytes.Clone(start), part...))
	}
	if list, err := os.ReadFile(filepath.Join("testdata", name+".md5")); err == nil {
		c.md5 = strings.Fields(string(list))
	}
	return c
}
