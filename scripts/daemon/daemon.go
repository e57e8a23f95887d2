// Package daemon runs the yfv2d binary for the measurements beside it, and reads its accounts from outside.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 20 * time.Second // engines are compared and chosen at the start
	stopLimit  = 15 * time.Second
	pollEvery  = 50 * time.Millisecond
)

// Config is how a daemon is run.
type Config struct {
	Bin    string
	TOML   string   // its configuration, without [server]
	Listen string   // host:port; empty takes a free port of 127.0.0.1
	Args   []string // further arguments of "yfv2d run"
	Prefix []string // the command that runs it, such as ip netns exec NAME; it must become the daemon, not start it
	Dir    string   // an existing folder for its configuration and log
}

// Daemon is a process at work.
type Daemon struct {
	URL string // of the page, without a slash at the end
	PID int

	cmd   *exec.Cmd
	log   string        // file
	ended chan struct{} // closed when it has
}

// Start runs a daemon and waits until it is healthy. The caller stops it.
func Start(ctx context.Context, cfg Config) (*Daemon, error) {
	if cfg.Listen == "" {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		cfg.Listen = addr
	}
	file := filepath.Join(cfg.Dir, "yfv2d.toml")
	text := cfg.TOML
	if !strings.Contains(text, "[webrtc]") {
		text = "[webrtc]\nport = 0\n" + text // another daemon may run
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(cfg.Dir, "yfv2d.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the daemon has its own
	words := append(append([]string{}, cfg.Prefix...), cfg.Bin, "run", "-c", file, "--listen", cfg.Listen)
	words = append(words, cfg.Args...)
	d := &Daemon{cmd: exec.Command(words[0], words[1:]...), ended: make(chan struct{}), log: log.Name(), URL: "http://" + cfg.Listen}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// A group of its own: Ctrl-C reaches us only, and we stop it when its measurement has ended.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.PID = d.cmd.Process.Pid
	go func() {
		_ = d.cmd.Wait() // its log says why
		close(d.ended)
	}()
	if err := d.wait(ctx); err != nil {
		d.Stop()
		return nil, fmt.Errorf("%w; the daemon says:\n%s", err, d.Log())
	}
	return d, nil
}

func (d *Daemon) wait(ctx context.Context) error {
	late := time.After(startLimit)
	for {
		if err := d.healthy(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ended:
			return errors.New("it ended at once")
		case <-late:
			return fmt.Errorf("no answer from %s within %v", d.URL, startLimit)
		case <-time.After(pollEvery):
		}
	}
}

func (d *Daemon) healthy(ctx context.Context) error {
	_, err := d.body(ctx, "/healthz")
	return err
}

// Stop ends the daemon and waits for it: what it writes at its end is written. It may be called twice.
func (d *Daemon) Stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(stopLimit):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}

// Log is what it has written.
func (d *Daemon) Log() string {
	text, _ := os.ReadFile(d.log)
	return string(text)
}

// Get reads a JSON answer of its API.
func (d *Daemon) Get(ctx context.Context, path string, out any) error {
	body, err := d.body(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// Metric reads a metric without labels.
func (d *Daemon) Metric(ctx context.Context, name string) (float64, error) {
	body, err := d.body(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}

func (d *Daemon) body(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // a connection kept would be one of the daemon's descriptors
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s: %.200s", path, answer.Status, body)
	}
	return body, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
