// Democlips draws the demo clips: an astronaut who is being filmed in a park, with the true boxes beside each clip.
// It is run by scripts/demo-clips.sh, which fetches the pictures.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"gocv.io/x/gocv"

	"yfv2d/yuv"
)

const (
	fps     = 30
	seconds = 10
	frames  = fps * seconds // one period of every motion, so that the clip loops without a seam
)

// clip is one file to make.
type clip struct {
	name  string
	scene scene
	crf   int // x264's quality, chosen for under 1 MB
}

var clips = []clip{
	{name: "demo-640x480", scene: small, crf: 25},
	{name: "demo-1280x720", scene: large, crf: 27},
}

// truth is one line of the .jsonl file beside a clip.
type truth struct {
	Frame int       `json:"frame"`
	T     float64   `json:"t"` // seconds
	Boxes []trueBox `json:"boxes"`
}

type trueBox struct {
	Class string `json:"class"`
	Box   [4]int `json:"box"` // x0, y0, x1, y1 of what is visible, pixels
}

func main() {
	data := flag.String("data", "", "folder with astronaut.png and camera.png")
	out := flag.String("o", "testdata/videos", "folder for the clips")
	flag.Parse()
	for _, c := range clips {
		if err := c.make(*data, *out); err != nil {
			fmt.Fprintln(os.Stderr, "democlips:", err)
			os.Exit(1)
		}
	}
}

// make draws every frame once, for the encoder and for the truth.
func (c clip) make(data, out string) error {
	st, err := newStage(c.scene, data)
	if err != nil {
		return err
	}
	defer st.close()
	file, err := os.Create(filepath.Join(out, c.name+".jsonl"))
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewWriter(file)
	enc := json.NewEncoder(lines)
	draw := func(n int, i420 []byte) error {
		boxes, err := st.draw(float64(n)/frames, i420)
		if err != nil {
			return err
		}
		return enc.Encode(truth{Frame: n, T: math.Round(float64(n)/fps*1e4) / 1e4, Boxes: boxes})
	}
	if err := encode(filepath.Join(out, c.name+".mp4"), c.scene.size, c.crf, draw); err != nil {
		return fmt.Errorf("make %s: %w", c.name, err)
	}
	return lines.Flush()
}

// encode feeds an ffmpeg with the frames that draw makes.
func encode(path string, size image.Point, crf int, draw func(n int, i420 []byte) error) error {
	cmd := exec.Command("ffmpeg", "-v", "error", "-y",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", size.X, size.Y), "-r", fmt.Sprint(fps),
		"-color_range", "tv", "-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-i", "-",
		"-c:v", "libx264", "-preset", "veryslow", "-crf", fmt.Sprint(crf), "-bf", "0", "-g", fmt.Sprint(fps),
		"-keyint_min", fmt.Sprint(fps), "-sc_threshold", "0", "-flags", "+cgop+bitexact", "-fflags", "+bitexact", "-threads", "1",
		"-color_range", "tv", "-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m",
		"-map_metadata", "-1", "-movflags", "+faststart", path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = feed(in, size, draw)
	if e := in.Close(); err == nil {
		err = e
	}
	if e := cmd.Wait(); err == nil {
		err = e
	}
	return err
}

func feed(w io.Writer, size image.Point, draw func(n int, i420 []byte) error) error {
	buf := make([]byte, yuv.Len(size))
	for n := range frames {
		if err := draw(n, buf); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// readPicture reads a picture and checks that it is the one the shapes were traced on.
func readPicture(dir, name string, size image.Point) (gocv.Mat, error) {
	m := gocv.IMRead(filepath.Join(dir, name), gocv.IMReadColor)
	if m.Cols() != size.X || m.Rows() != size.Y {
		_ = m.Close()
		return m, fmt.Errorf("%s: want a picture of %dx%d pixels, got %dx%d", filepath.Join(dir, name), size.X, size.Y, m.Cols(), m.Rows())
	}
	return m, nil
}
