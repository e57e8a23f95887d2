package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// sysRoot is where the kernel tells of thermal zones and clocks.
const sysRoot = "/sys"

// cpuZone knows the thermal zones that sit on the processor, by the names that drivers give them.
var cpuZone = regexp.MustCompile(`(?i)cpu|soc|pkg|core|package`)

// celsius is the temperature of the hottest thermal zone on the processor, or of the hottest of all where none is known to
// sit there; nil if the kernel tells of none.
func celsius(sys string) *float64 {
	zones, _ := filepath.Glob(filepath.Join(sys, "class/thermal/thermal_zone*/temp"))
	var onCPU, any *float64
	for _, z := range zones {
		milli, ok := readNumber(z)
		if !ok {
			continue
		}
		t := round(milli/1000, 10)
		any = larger(any, t)
		if kind, err := os.ReadFile(filepath.Join(filepath.Dir(z), "type")); err == nil && cpuZone.Match(kind) {
			onCPU = larger(onCPU, t)
		}
	}
	if onCPU != nil {
		return onCPU
	}
	return any
}

// megahertz is the clock of the fastest core at this moment, nil if the kernel does not tell.
func megahertz(sys string) *float64 {
	files, _ := filepath.Glob(filepath.Join(sys, "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
	var best *float64
	for _, f := range files {
		if kilo, ok := readNumber(f); ok {
			best = larger(best, round(kilo/1000, 1))
		}
	}
	return best
}

func larger(a *float64, b float64) *float64 {
	if a == nil || b > *a {
		return &b
	}
	return a
}

func readNumber(path string) (float64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	return v, err == nil
}

// peakRSS is the largest resident memory that this process had, in MB (10^6 bytes); 0 if the kernel does not tell.
func peakRSS() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return round(kb*1024/1e6, 10)
		}
	}
	return 0
}

// cpuName is the processor's name, or on ARM boards the board's.
func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	if b, err := os.ReadFile("/proc/device-tree/model"); err == nil {
		return strings.Trim(string(b), "\x00\n ")
	}
	return "unknown processor"
}
