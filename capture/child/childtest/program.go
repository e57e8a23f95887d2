package childtest

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
)

// write is the program. It gives the exit status.
func write(dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "down")); err == nil {
		fmt.Fprintln(os.Stderr, "ERROR: *** no cameras available ***")
		return 255
	}
	w := &writer{dir: dir, out: os.Stdout}
	if err := w.load(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	if err := os.WriteFile(filepath.Join(dir, "pid"), fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	next := time.Now()
	for {
		if status := w.obey(); status >= 0 {
			return status
		}
		u := w.clip.Units[w.next%len(w.clip.Units)]
		w.next++
		if err := w.put(u); err != nil {
			return 1 // nobody reads any more
		}
		next = next.Add(w.clip.Interval)
		time.Sleep(time.Until(next))
	}
}

// writer is the program's state.
type writer struct {
	dir  string
	out  io.Writer
	clip Clip
	next int
	ts   *mpegts.Writer
	on   *mpegts.Track
	pts  int64
}

// Bytes are the whole clip as a program writes it.
func (c Clip) Bytes() ([]byte, error) {
	var b bytes.Buffer
	w := &writer{out: &b}
	if err := w.play(c); err != nil {
		return nil, err
	}
	for _, u := range c.Units {
		if err := w.put(u); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// load reads the clip.
func (w *writer) load() error {
	f, err := os.Open(filepath.Join(w.dir, "clip"))
	if err != nil {
		return err
	}
	defer f.Close()
	var c Clip
	if err := gob.NewDecoder(f).Decode(&c); err != nil {
		return err
	}
	return w.play(c)
}

// play begins a clip.
func (w *writer) play(c Clip) error {
	w.clip, w.next, w.ts = c, 0, nil
	if w.clip.Format != "mpegts" {
		return nil
	}
	w.on = &mpegts.Track{Codec: &mpegts.CodecH264{}}
	if w.clip.Codec == "h265" {
		w.on = &mpegts.Track{Codec: &mpegts.CodecH265{}}
	}
	w.ts = &mpegts.Writer{W: w, Tracks: []*mpegts.Track{w.on}}
	return w.ts.Initialize()
}

// Write writes to the present output.
func (w *writer) Write(b []byte) (int, error) { return w.out.Write(b) }

// put writes one picture.
func (w *writer) put(u Unit) error {
	if w.ts == nil {
		_, err := w.Write(u.Data)
		return err
	}
	var nalus h264.AnnexB
	if err := nalus.Unmarshal(u.Data); err != nil {
		return err
	}
	w.pts += int64(w.clip.Interval.Seconds() * 90000)
	if w.clip.Codec == "h265" {
		return w.ts.WriteH265(w.on, w.pts, w.pts, nalus)
	}
	return w.ts.WriteH264(w.on, w.pts, w.pts, nalus)
}

// obey does what was ordered; an exit status if that is to end, else -1.
func (w *writer) obey() int {
	name := filepath.Join(w.dir, "order")
	b, err := os.ReadFile(name)
	if err != nil {
		return -1
	}
	_ = os.Remove(name)
	what, more, _ := strings.Cut(string(b), " ")
	var n int
	switch what {
	case "clip":
		if w.load() != nil {
			return 3
		}
	case "half":
		w.out = &half{w: w.out, left: len(w.clip.Units[w.next%len(w.clip.Units)].Data) / 2}
	case "garbage":
		_, _ = fmt.Sscan(more, &n)
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		_, _ = w.Write(noise)
	case "drip":
		w.out = drip{w.out}
	case "exit":
		_, _ = fmt.Sscan(more, &n)
		if _, says, _ := strings.Cut(more, " "); says != "" {
			fmt.Fprintln(os.Stderr, says)
		}
		return n
	case "close":
		_ = os.Stdout.Close()
		time.Sleep(time.Hour)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "leave":
		return w.leave(more == "true")
	}
	return -1
}

// leave starts a process that has the output open.
func (w *writer) leave(escape bool) int {
	cmd := exec.Command("sleep", "1000")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: escape}
	if err := cmd.Start(); err != nil {
		return 3
	}
	if err := os.WriteFile(filepath.Join(w.dir, "left"), fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
		return 3
	}
	return -1
}

// half lets some bytes through and then hangs.
type half struct {
	w    io.Writer
	left int
}

func (h *half) Write(b []byte) (int, error) {
	n, err := h.w.Write(b[:min(len(b), h.left)])
	if h.left -= n; err != nil || n == len(b) {
		return n, err
	}
	time.Sleep(time.Hour)
	return n, nil
}

// drip writes a byte a second.
type drip struct{ w io.Writer }

func (d drip) Write(b []byte) (int, error) {
	for i := range b {
		time.Sleep(time.Second)
		if _, err := d.w.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}
