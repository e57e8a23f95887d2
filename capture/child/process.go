package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"yfv2d/capture/live"
)

const (
	termGrace = 2 * time.Second        // a child that is asked to end gets so long
	killGrace = 3 * time.Second        // and one that was killed: longer is a driver that hangs, and the child is left behind
	lastWords = 250 * time.Millisecond // for what a dead child's pipes still hold, if another process has them open
	stderrMax = 4 << 10                // of what it said is kept
)

// process is a child with a process group of its own.
type process struct {
	name  string // for people
	cmd   *exec.Cmd
	out   *os.File // what it writes
	said  tail     // on standard error
	stuck *live.Stuck

	mu   sync.Mutex
	gone bool // guarded by mu; the group is killed and about to be reaped: its number may soon be another's

	done chan struct{} // closed when the child is reaped
	err  error         // how it ended; set before done is closed
}

// start starts a program. Its standard input is empty, its environment this process's.
func start(name string, args []string, stuck *live.Stuck) (*process, error) {
	if stuck == nil {
		stuck = new(live.Stuck)
	}
	if err := stuck.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, &live.Refused{Err: fmt.Errorf("%s: %w", name, lookError(err))}
	}
	p := &process{name: name, stuck: stuck, done: make(chan struct{})}
	p.cmd = &exec.Cmd{Path: path, Args: args, SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	out, outW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	said, saidW, err := os.Pipe()
	if err != nil {
		_, _ = out.Close(), outW.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.out, p.cmd.Stdout, p.cmd.Stderr = out, outW, saidW
	started := make(chan error)
	go p.run(said, started)
	err = <-started
	_, _ = outW.Close(), saidW.Close()
	if err != nil {
		<-p.done
		_ = out.Close()
		return nil, &live.Refused{Err: fmt.Errorf("%s: cannot be started: %s", name, reason(err))}
	}
	return p, nil
}

func lookError(err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return errors.New("there is no such program: install it, or write its whole path")
	case errors.Is(err, os.ErrPermission):
		return errors.New("it may not be run by this user, or is no program")
	}
	return errors.New(reason(err))
}

// reason is a system error without the path, which stands before it already.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return clean(err.Error())
}

// run starts the child and lives as long as it does. It stays on one thread: the kernel kills a child with Pdeathsig when the
// thread that started it ends, not the process, and the runtime may end a thread at any time. The wait would hold a thread anyway.
func (p *process) run(said *os.File, started chan<- error) {
	defer close(p.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		_ = said.Close()
		return
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = io.Copy(&p.said, said)
	}()
	p.await()
	err = p.cmd.Wait() // reaps
	_ = said.SetReadDeadline(time.Now().Add(lastWords))
	_ = p.out.SetReadDeadline(time.Now().Add(lastWords)) // the reader gets what is left
	<-heard
	_ = said.Close()
	p.err = p.ended(err)
}

// await waits until the child has ended, and kills what is left of its group before the child is reaped: until then, the group's
// number is not given to another.
func (p *process) await() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// signal tells the whole group.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// stop ends the group and waits for it, but not for ever: a child that a driver holds is left to itself and counted.
func (p *process) stop() {
	defer p.out.Close()
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // one that was stopped learns of it only when it goes on
	if p.within(termGrace) {
		return
	}
	p.signal(syscall.SIGKILL)
	if p.within(killGrace) {
		return
	}
	p.stuck.Leave()
	go func() {
		<-p.done
		p.stuck.Back()
	}()
}

func (p *process) within(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// ended says how a child ended and what its last words were.
func (p *process) ended(err error) error {
	how := "ended, as a camera should not (exit status 0)"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		how = fmt.Sprintf("exited with %d", exit.ExitCode())
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			how = fmt.Sprintf("was killed by %s", unix.SignalName(ws.Signal()))
		}
	} else if err != nil {
		how = "ended: " + clean(err.Error())
	}
	if last := p.said.last(); last != "" {
		return fmt.Errorf("%s: %s: %s", p.name, how, last)
	}
	return fmt.Errorf("%s: %s", p.name, how)
}

// base is a program's name for people.
func base(path string) string { return clean(filepath.Base(path)) }

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[max(0, len(b)-stderrMax):]...)
	if n := len(t.buf) - stderrMax; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(b), nil
}

// last is the last line that says something, without secrets.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(string(t.buf), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := clean(live.Redact(lines[i])); line != "" {
			return line
		}
	}
	return ""
}

// clean makes a program's text fit for one line of a log.
func clean(s string) string {
	const longest = 300
	var b strings.Builder
	escape := false
	for _, r := range s {
		switch {
		case escape: // colours: ESC [ ... letter
			escape = !unicode.IsLetter(r)
		case r == 0x1b:
			escape = true
		case b.Len() >= longest:
			return strings.TrimSpace(b.String()) + "..."
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}
