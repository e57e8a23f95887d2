package rtsptest_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"yfv2d/capture"
	"yfv2d/pipeline"
)

var makeClips = flag.Bool("make-clips", false, "draw the clips in testdata again; needs ffmpeg with libx264 and libx265")

// TestMakeClips draws the test pattern and has ffmpeg encode it.
func TestMakeClips(t *testing.T) {
	if !*makeClips {
		t.Skip("the clips are at hand; -make-clips draws them again")
	}
	x264 := "-c:v libx264 -preset veryslow -profile:v baseline -g 1000 -crf 30 -x264-params keyint=infinite:scenecut=0 -f h264"
	rows := []struct {
		name, size string
		frames     int
		args       string
	}{
		{"pattern.h264", "192x144", 150, x264},
		{"large.h264", "320x240", 30, x264},
		{"pattern.h265", "192x144", 30, "-c:v libx265 -preset veryslow -crf 30 -x265-params keyint=-1:scenecut=0:bframes=0:info=0:repeat-headers=1 -f hevc"},
		{"pattern.mjpeg", "192x144", 15, "-c:v mjpeg -huffman default -q:v 8 -f mjpeg"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			args := "-v error -y -f rawvideo -pix_fmt yuv420p -r 15 -s " + r.size + " -i - " + r.args + " -fflags +bitexact -flags:v +bitexact testdata/" + r.name
			cmd := exec.Command("ffmpeg", strings.Fields(args)...)
			cmd.Stdin, cmd.Stderr = bytes.NewReader(draw(t, r.size, r.frames)), os.Stderr
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// draw gives the test pattern's frames, one after another.
func draw(t *testing.T, size string, frames int) (raw []byte) {
	t.Helper()
	src, err := capture.Open(context.Background(), "test:?fps=15&objects=0&size="+size+"&frames="+strconv.Itoa(frames), capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for range frames {
		if err := src.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		raw = append(raw, f.Pix()...)
	}
	return raw
}
