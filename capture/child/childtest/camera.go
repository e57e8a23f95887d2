package childtest

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Camera is a Pi's camera program that shows a clip of I420 pictures, in rows that are longer than the picture is wide.
type Camera struct {
	Clip   Clip
	Width  int
	Height int
	Stride int    // of what it writes
	Fails  string // it says this on standard error, and ends with status 255
}

// Install makes a folder with a program of that name (rpicam-vid or libcamera-vid), which the test's PATH consists of from now on. It
// gives the folder, in which "arguments" has one line for each start.
func (c Camera) Install(t *testing.T, name string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "camera"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(c), f.Close(), os.Symlink(exe, filepath.Join(dir, name))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	return dir
}

// camera is the program.
func camera(args []string) int {
	dir := os.Getenv("PATH")
	f, err := os.Open(filepath.Join(dir, "camera"))
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	var c Camera
	if err := gob.NewDecoder(f).Decode(&c); err != nil {
		return fail(err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "arguments"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fail(err)
	}
	_, _ = fmt.Fprintln(log, strings.Join(args, " "))
	_ = log.Close()
	fmt.Fprintln(os.Stderr, "[0:00:01.234567890] [1]  INFO Camera camera_manager.cpp:326 libcamera v0.5.1")
	if err := c.wants(args); err != nil {
		return fail(err)
	}
	if c.Fails != "" {
		return fail(errors.New(c.Fails))
	}
	frames := -1
	if i := slices.Index(args, "--frames"); i >= 0 && i+1 < len(args) {
		frames, _ = strconv.Atoi(args[i+1])
	}
	for n := 0; n != frames; n++ {
		if _, err := os.Stdout.Write(c.Pad(c.Clip.Units[n%len(c.Clip.Units)].Data)); err != nil {
			return 1
		}
		time.Sleep(c.Clip.Interval)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintf(os.Stderr, "ERROR: *** %v ***\n", err)
	return 255
}

// wants checks the arguments that rpicam-vid needs to write such pictures.
func (c Camera) wants(args []string) error {
	for _, pair := range [][]string{{"--codec", "yuv420"}, {"-o", "-"}, {"-t", "0"}, {"-n"}, {"--flush"}, {"--width", strconv.Itoa(c.Width)},
		{"--height", strconv.Itoa(c.Height)}, {"--framerate"}, {"--camera"}} {
		i := slices.Index(args, pair[0])
		if i < 0 || len(pair) == 2 && (i+1 == len(args) || args[i+1] != pair[1]) {
			return fmt.Errorf("the arguments lack %s", strings.Join(pair, " "))
		}
	}
	return nil
}

// Pad makes of an I420 picture rows of Stride bytes, with something between them that would show.
func (c Camera) Pad(pix []byte) []byte {
	var out []byte
	for _, p := range []struct{ w, h, stride int }{{c.Width, c.Height, c.Stride}, {c.Width / 2, c.Height / 2, c.Stride / 2}, {c.Width / 2, c.Height / 2, c.Stride / 2}} {
		for range p.h {
			out = append(out, pix[:p.w]...)
			for i := p.w; i < p.stride; i++ {
				out = append(out, byte(255*(i%2)))
			}
			pix = pix[p.w:]
		}
	}
	return out
}
