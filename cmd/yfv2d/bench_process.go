package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// benchEnv is added to a worker's environment; tests, whose program is another one, need it.
var benchEnv []string

// benchProcess is a worker that was started. Whoever made it closes it.
type benchProcess struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer // what it said beside its answers
}

// startBenchProcess starts a worker and waits until it is ready. It is killed when ctx ends.
func startBenchProcess(ctx context.Context, o *benchOptions, engine, input string) (*benchProcess, benchReady, error) {
	var ready benchReady
	program, err := os.Executable()
	if err != nil {
		return nil, ready, fmt.Errorf("this program cannot find itself: %w", err)
	}
	p := &benchProcess{cmd: exec.CommandContext(ctx, program, "bench-worker", "--model", o.model, "--source", o.source,
		"--engine", engine, "--input", input)}
	p.cmd.Env = append(os.Environ(), benchEnv...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; what the worker has measured must reach us
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, ready, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, ready, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, ready, err
	}
	if err := p.answer(&ready); err != nil {
		p.close()
		return nil, ready, err
	}
	if ready.Error != "" {
		p.close()
		return nil, ready, errors.New(ready.Error)
	}
	return p, ready, nil
}

// run lets the worker measure for so long.
func (p *benchProcess) run(span time.Duration) (benchSlice, error) {
	var s benchSlice
	if _, err := fmt.Fprintln(p.in, span); err != nil {
		return s, p.ended(err)
	}
	if err := p.answer(&s); err != nil {
		return s, err
	}
	if s.Error != "" {
		return s, errors.New(s.Error)
	}
	return s, nil
}

// answer reads one line of the worker.
func (p *benchProcess) answer(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.ended(err)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("its process gave no figures: %w", err)
	}
	return nil
}

// ended tells how a worker ended that should have gone on.
func (p *benchProcess) ended(err error) error {
	_ = p.in.Close()
	if werr := p.cmd.Wait(); werr != nil {
		err = werr
	}
	if said := strings.TrimSpace(p.stderr.String()); said != "" {
		first, _, _ := strings.Cut(said, "\n")
		return fmt.Errorf("its process ended (%w): %.200s", err, first)
	}
	return fmt.Errorf("its process ended: %w", err)
}

// close ends the worker, which ends by itself when its input does.
func (p *benchProcess) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait() // a second time gives an error, and harms nothing
}
