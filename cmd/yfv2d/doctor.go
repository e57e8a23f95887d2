package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
)

// grade is how bad a finding is.
type grade int

const (
	fine grade = iota
	warn
	fail
)

var gradeNames = [...]string{"ok", "warning", "failure"}

func (g grade) String() string               { return gradeNames[g] }
func (g grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// gradeExit are the exit codes of doctor, by the worst finding.
var gradeExit = [...]int{fine: exitOK, warn: exitWarning, fail: exitFailed}

// finding is one thing that doctor looked at.
type finding struct {
	Area   string   `json:"area"`
	Grade  grade    `json:"grade"`
	What   string   `json:"what"`
	Fix    string   `json:"fix,omitempty"`    // what to do about it
	Config []string `json:"config,omitempty"` // lines for config.toml that would use it
}

// doctorReport is what `yfv2d doctor --json` prints.
type doctorReport struct {
	Worst    grade     `json:"worst"`
	Version  string    `json:"version"`
	Findings []finding `json:"findings"`
}

// doctor gathers findings and shows each as it comes.
type doctor struct {
	show   io.Writer // nil: nothing is shown on the way
	colour bool
	report doctorReport
	area   string
	inUse  []string // sources that this process reads: their devices are left alone
}

func (d *doctor) add(f finding) {
	f.Area, f.What = d.area, capture.Hidden(f.What)
	d.report.Worst = max(d.report.Worst, f.Grade)
	d.report.Findings = append(d.report.Findings, f)
	if d.show == nil {
		return
	}
	mark := [...]string{fine: "ok  ", warn: "warn", fail: "FAIL"}[f.Grade]
	if d.colour {
		mark = [...]string{fine: "\x1b[32m", warn: "\x1b[33m", fail: "\x1b[31m"}[f.Grade] + mark + "\x1b[0m"
	}
	fmt.Fprintf(d.show, "  %s  %s\n", mark, f.What)
	if f.Fix != "" {
		fmt.Fprintf(d.show, "        -> %s\n", f.Fix)
	}
	for _, line := range f.Config {
		fmt.Fprintf(d.show, "        %s\n", line)
	}
}

func (d *doctor) ok(format string, args ...any) { d.add(finding{What: fmt.Sprintf(format, args...)}) }
func (d *doctor) warn(fix, format string, args ...any) {
	d.add(finding{Grade: warn, Fix: fix, What: fmt.Sprintf(format, args...)})
}
func (d *doctor) fail(fix, format string, args ...any) {
	d.add(finding{Grade: fail, Fix: fix, What: fmt.Sprintf(format, args...)})
}

// begin starts an area.
func (d *doctor) begin(area string) {
	d.area = area
	if d.show != nil {
		fmt.Fprintf(d.show, "%s\n", strings.ToUpper(area[:1])+area[1:])
	}
}

func newDoctorCmd() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Look over this machine, its cameras and the configuration, and say what to mend",
		Long: `doctor looks at the board, its heat and its permissions, tries the engines and the encoders, lists the cameras it finds
with lines for config.toml, and opens every source of the configuration (config.toml if there is one): time to the first
picture, codec, size, rate, key pictures. It changes nothing.

The exit code is the worst finding: 0 all is well, 3 it works with warnings, 1 something does not work, 78 the
configuration has a fault.`,
		Example: "  yfv2d doctor\n  yfv2d doctor -c /etc/yfv2d/config.toml --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			d := &doctor{colour: isTerminal(out) && os.Getenv("NO_COLOR") == ""}
			if !asJSON {
				d.show = out
			}
			given := c.Flags().Changed("config")
			if !given {
				if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
					file = ""
				}
			}
			err := d.examine(c.Context(), file)
			if asJSON {
				enc := json.NewEncoder(out)
				enc.SetIndent("", "  ")
				err = errors.Join(enc.Encode(d.report), err)
			}
			return err
		},
	}
	c.Flags().StringVarP(&file, "config", "c", defaultConfigFile, "configuration `file`")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	_ = c.MarkFlagFilename("config", "toml")
	return c
}

// examine looks at everything; file may be empty. Its error is the exit code.
func (d *doctor) examine(ctx context.Context, file string) error {
	d.report.Version = currentVersion().Version
	d.report.Findings = []finding{}
	d.begin("machine")
	d.machine()
	d.begin("engines")
	d.engines()
	d.begin("cameras of this machine")
	d.devices(ctx)
	cfg, err := d.configuration(file)
	d.begin("network")
	d.network(ctx, cfg)
	if cfg != nil {
		d.begin("sources")
		d.sources(ctx, cfg)
	}
	return errors.Join(ctx.Err(), err, d.verdict())
}

// configuration reads the file. Without one there is nothing to say.
func (d *doctor) configuration(file string) (*config.Config, error) {
	d.begin("configuration")
	if file == "" {
		d.ok("no config.toml here; give one with -c FILE to have its sources looked at")
		return nil, nil
	}
	cfg, err := loadConfig(file, configHooks())
	var faults config.Errors
	switch {
	case errors.As(err, &faults):
		for _, f := range faults {
			d.fail("", "%s", f.Error())
		}
		return nil, exitError{exitConfig, errors.New("the configuration has faults")}
	case err != nil:
		d.fail("", "%v", err)
		return nil, err
	}
	d.ok("%s: %s", file, summary(cfg))
	return cfg, nil
}

// verdict is the exit code and a last line.
func (d *doctor) verdict() error {
	count := [3]int{}
	for _, f := range d.report.Findings {
		count[f.Grade]++
	}
	if d.show != nil {
		fmt.Fprintf(d.show, "%d ok, %s, %s\n", count[fine], plural(count[warn], "warning"), plural(count[fail], "failure"))
	}
	if d.report.Worst == fine {
		return nil
	}
	return exitError{gradeExit[d.report.Worst], errors.New("")} // all is said
}
