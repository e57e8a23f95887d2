package daemon

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// CPUSeconds is its user plus system time, fields 14 and 15 of /proc/PID/stat in ticks of 10 ms (proc(5)).
func (d *Daemon) CPUSeconds() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.PID))
	if err != nil {
		return 0, err
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("read /proc/%d/stat: %d fields", d.PID, len(f))
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	sys, err2 := strconv.ParseFloat(f[12], 64)
	return (user + sys) / 100, errors.Join(err1, err2)
}

// Accounts are what a process holds.
type Accounts struct {
	RSSMB, AnonMB        float64 // resident memory, and the part of it that no file backs; MB of 10^6 bytes
	Threads, Descriptors int
}

// Accounts reads them from /proc.
func (d *Daemon) Accounts() (a Accounts, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.PID))
	if err != nil {
		return a, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseFloat(f[1], 64) // other lines are of no use here
		switch f[0] {
		case "VmRSS:":
			a.RSSMB = n * 1024 / 1e6
		case "RssAnon:":
			a.AnonMB = n * 1024 / 1e6
		case "Threads:":
			a.Threads = int(n)
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.PID))
	a.Descriptors = len(open)
	return a, err
}

// CPUModel is the name of this machine's processor.
func CPUModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown processor"
}

// System is the name of this machine's distribution.
func System() string {
	b, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return runtime.GOOS
}

// Load is this machine's mean number of runnable tasks over the last 1, 5 and 15 minutes: above the number of cores, others
// take their share.
func Load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(len(f), 3)], " ")
}
