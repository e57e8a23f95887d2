package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
)

// runFlags are what the command line says over the configuration file.
type runFlags struct {
	config     string
	listen     []string
	allowOpen  bool
	cpuProfile string
}

func newRunCmd() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: cameras, detection, and the live page",
		Long: `Run the daemon: it reads the cameras of the configuration, finds objects, and serves a live page, a JSON API and metrics.

On SIGHUP (or POST /api/reload) it reads the configuration again: cameras are added, removed and changed one by one, and
the others lose no frame. A file with a fault changes nothing; the log says why.

If other machines reach it (server.auth), people log in and programs show a token. At the first start without users it
makes the user admin and tells the password: on the terminal, or as a service in the file initial-password of the state
directory.

It stops on SIGINT or SIGTERM. By itself it ends only for what no retry of its own can mend: a bad
configuration or a model that cannot be read (exit code 78), or a port that is taken (exit code 1).

Under systemd (Type=notify) it tells when it is ready and how its cameras are, and feeds the watchdog as long as nothing
hangs: a camera that is down and tried again is no reason to stop, a stage that is stuck is.`,
		Example: `  yfv2d run -c config.toml
  yfv2d run -c config.toml --listen 0.0.0.0:8080`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runDaemon(c.Context(), f, c.ErrOrStderr())
		},
	}
	c.Flags().StringVarP(&f.config, "config", "c", defaultConfigFile, "the configuration `file`")
	c.Flags().StringSliceVar(&f.listen, "listen", nil, "serve on this `address` (host:port) instead of the configured ones; may be repeated")
	c.Flags().BoolVar(&f.allowOpen, "allow-open", false, "let other machines in without a login; everybody there sees the cameras")
	c.Flags().StringVar(&f.cpuProfile, "cpuprofile", "", "write a CPU profile, labelled by stage, to this `file` at the end")
	return c
}

// runDaemon reads the configuration and runs the daemon until ctx ends.
func runDaemon(ctx context.Context, f runFlags, stderr io.Writer) error {
	hooks := configHooks()
	hooks.Listen, hooks.AllowOpen = f.listen, f.allowOpen
	read := func() (*config.Config, error) { return loadConfig(f.config, hooks) }
	cfg, err := read()
	if err != nil {
		return err
	}
	if f.cpuProfile != "" {
		stop, err := startProfile(f.cpuProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	log := newLogger(cfg.Log, stderr)
	d, err := newDaemon(cfg, read, log)
	if err != nil {
		return err
	}
	if isTerminal(stderr) {
		d.terminal = stderr
	}
	err = d.run(ctx)
	return errors.Join(err, d.close())
}

// newLogger writes for people on a terminal and JSON elsewhere, unless the configuration says which; to systemd's journal with priorities.
func newLogger(cfg config.Log, w io.Writer) zerolog.Logger {
	zerolog.TimeFieldFormat = time.RFC3339Nano
	zerolog.DurationFieldUnit = time.Millisecond
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel // the configuration allows no other names
	}
	terminal, journalled := isTerminal(w), toJournal(w)
	w = discreet{w}
	form := func(out io.Writer) io.Writer { return out }
	if cfg.Format == "human" || cfg.Format != "json" && terminal {
		form = func(out io.Writer) io.Writer {
			return zerolog.ConsoleWriter{Out: out, TimeFormat: "15:04:05.000", NoColor: os.Getenv("NO_COLOR") != "" || !terminal}
		}
	}
	if journalled {
		w = newJournal(w, form)
	} else {
		w = form(w)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// discreet writes lines without what references of the configuration stand for.
type discreet struct{ io.Writer }

func (d discreet) Write(p []byte) (int, error) {
	if _, err := io.WriteString(d.Writer, capture.Hidden(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// startProfile begins a CPU profile; the function it returns completes the file.
func startProfile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write CPU profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write CPU profile %s: %w", path, err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
