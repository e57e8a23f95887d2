// Package childtest is a program that writes pictures, for tests: the test's own binary, run again, which breaks on demand.
package childtest

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Unit is one picture: an access unit, a JPEG file, or pixels.
type Unit struct {
	Key  bool
	Data []byte
}

// Clip is what a program writes, over and over.
type Clip struct {
	Format   string // as the source string has it: mjpeg, i420, nv12, mpegts, h264 or h265
	Codec    string // of mpegts: h264 or h265
	Interval time.Duration
	Units    []Unit
}

// asked is the first argument of a test's binary that is to be a program.
const asked = "write-pictures"

// Main is called first in TestMain. It does not return if the binary was started as a program.
func Main() {
	if len(os.Args) > 2 && os.Args[1] == asked {
		os.Exit(write(os.Args[2]))
	}
	if base := filepath.Base(os.Args[0]); base == "rpicam-vid" || base == "libcamera-vid" {
		os.Exit(camera(os.Args[1:]))
	}
}

// Program is a program and the means to break it. All methods are safe from any goroutine.
type Program struct {
	t   testing.TB
	dir string
}

// New makes a program that plays a clip. Nothing is started: the source's owner does that.
func New(t testing.TB, c Clip) *Program {
	t.Helper()
	p := &Program{t: t, dir: t.TempDir()}
	p.SetClip(c)
	return p
}

// Command is the command line of the program.
func (p *Program) Command() string {
	exe, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("'%s' %s '%s'", exe, asked, p.dir)
}

// SetClip plays another clip from the next picture on.
func (p *Program) SetClip(c Clip) {
	p.t.Helper()
	tmp := filepath.Join(p.dir, "clip.new")
	f, err := os.Create(tmp)
	if err != nil {
		p.t.Fatal(err)
	}
	err = errors.Join(gob.NewEncoder(f).Encode(c), f.Close(), os.Rename(tmp, filepath.Join(p.dir, "clip")))
	if err != nil {
		p.t.Fatal(err)
	}
	p.order("clip")
}

// order tells the program what to do before the next picture.
func (p *Program) order(what string) {
	tmp := filepath.Join(p.dir, "order.new")
	if err := errors.Join(os.WriteFile(tmp, []byte(what), 0o600), os.Rename(tmp, filepath.Join(p.dir, "order"))); err != nil {
		p.t.Error(err)
	}
}

// HalfFrame writes half of the next picture, and nothing after it.
func (p *Program) HalfFrame() { p.order("half") }

// Garbage writes n random bytes before the next picture.
func (p *Program) Garbage(n int) { p.order(fmt.Sprint("garbage ", n)) }

// SlowLoris writes a byte a second from the next picture on.
func (p *Program) SlowLoris() { p.order("drip") }

// Exit ends the program with a status, and something to say on standard error.
func (p *Program) Exit(status int, says string) { p.order(fmt.Sprintf("exit %d %s", status, says)) }

// CloseOutput closes standard output; the program goes on.
func (p *Program) CloseOutput() { p.order("close") }

// Stubborn makes the program ignore SIGTERM.
func (p *Program) Stubborn() { p.order("stubborn") }

// Leave starts a process that holds the program's output open and lives on: in a group of its own if escape is set.
func (p *Program) Leave(escape bool) { p.order(fmt.Sprint("leave ", escape)) }

// Pid is the running program's process, 0 if it has not started.
func (p *Program) Pid() int { return p.number("pid") }

// Left is the process that Leave started, 0 if there is none.
func (p *Program) Left() int { return p.number("left") }

func (p *Program) number(name string) int {
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// Freeze stops the process as it is, Thaw lets it go on, and Kill ends it.
func (p *Program) Freeze() { p.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (p *Program) Thaw() { p.signal(syscall.SIGCONT) }

// Kill ends the process.
func (p *Program) Kill() { p.signal(syscall.SIGKILL) }

func (p *Program) signal(s syscall.Signal) {
	if pid := p.Pid(); pid > 0 {
		_ = syscall.Kill(pid, s)
	}
}

// Stop ends the program and lets it end at once when it is started again, until Restart.
func (p *Program) Stop() {
	if err := os.WriteFile(filepath.Join(p.dir, "down"), nil, 0o600); err != nil {
		p.t.Error(err)
	}
	p.Kill()
}

// Restart ends Stop.
func (p *Program) Restart() {
	if err := os.Remove(filepath.Join(p.dir, "down")); err != nil {
		p.t.Error(err)
	}
}

// Down is Stop, a pause, and Restart.
func (p *Program) Down(d time.Duration) {
	p.Stop()
	time.Sleep(d)
	p.Restart()
}
