package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes this test binary behave as yfv2d does, for tests that need a process: signals, pipes.
const asProgram = "YFV2D_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	if how := os.Getenv(badTrial); how != "" {
		os.Exit(goWrong(how))
	}
	self.env = []string{asProgram + "=1"}
	os.Exit(m.Run())
}

// process is a yfv2d that was started. Its standard output is read by the test; it is killed if it hangs.
type process struct {
	*exec.Cmd
	out    io.ReadCloser
	stderr bytes.Buffer
}

func startProgram(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...)}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stderr = &p.stderr
	var err error
	if p.out, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
	t.Cleanup(func() {
		guard.Stop()
		_ = p.Process.Kill()
	})
	return p
}

// code waits for the end.
func (p *process) code(t *testing.T) int {
	t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// TestSignalsLeaveAVideoThatPlays interrupts the program in the middle of a video, and takes its reader away.
func TestSignalsLeaveAVideoThatPlays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stop   func(p *process) error
		stderr string
	}{
		{"SIGINT", func(p *process) error { return p.Process.Signal(os.Interrupt) }, "stopped before the end of"},
		{"SIGTERM", func(p *process) error { return p.Process.Signal(syscall.SIGTERM) }, "stopped before the end of"},
		{"reader gone", func(p *process) error { return p.out.Close() }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.mp4")
			p := startProgram(t, "detect", "--track", "-o", out, "test:?size=320x240") // without an end
			lines := bufio.NewScanner(p.out)
			for range 3 {
				if !lines.Scan() {
					t.Fatalf("no output: %s", p.stderr.String())
				}
			}
			if err := tt.stop(p); err != nil {
				t.Fatal(err)
			}
			if tt.stderr != "" {
				_, _ = io.Copy(io.Discard, p.out)
			}
			if code := p.code(t); code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			var complaints []string
			for _, line := range strings.Split(p.stderr.String(), "\n") {
				if strings.HasPrefix(line, "yfv2d: ") {
					complaints = append(complaints, line)
				}
			}
			if got := strings.Join(complaints, "\n"); (tt.stderr == "") != (got == "") || !strings.Contains(got, tt.stderr) {
				t.Errorf("standard error says %q, want %q", got, tt.stderr)
			}
			if n := framesIn(out); n < 3 {
				t.Errorf("%d frames in the file, want at least 3", n)
			}
		})
	}
}

// TestPipesGetNoProgress reads all that a run in a pipe writes: result lines, and not one byte of a bar.
func TestPipesGetNoProgress(t *testing.T) {
	p := startProgram(t, "detect", "--json", "--score", "1", "test:?size=64x64&frames=20")
	out, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	if code := p.code(t); code != exitOK || p.stderr.Len() > 0 {
		t.Errorf("exit code %d, standard error %q", code, p.stderr.String())
	}
	if n := bytes.Count(out, []byte("\n")); n != 20 || bytes.ContainsAny(out, "\r\x1b") {
		t.Errorf("%d lines, want 20 without control characters", n)
	}
}
