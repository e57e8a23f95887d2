package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(len(f), 3)], " ")
}

func machine() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	name := "unknown processor"
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			name = strings.TrimSpace(v)
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", name, runtime.NumCPU(), runtime.GOARCH)
}

// vnni says that the processor multiplies and adds int8 numbers in one instruction.
func vnni() bool {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && (strings.TrimSpace(k) == "flags" || strings.TrimSpace(k) == "Features") {
			for _, f := range strings.Fields(v) {
				if f == "avx512_vnni" || f == "avx_vnni" || f == "asimddp" {
					return true
				}
			}
			return false
		}
	}
	return false
}

// system is the distribution's name.
func system() string {
	b, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return runtime.GOOS
}

// versions are those of the program and of what it stands on.
func versions(bin string) map[string]string {
	v := map[string]string{}
	var own struct{ Version, Commit, Go, OpenCV string }
	if out, err := exec.Command(bin, "version", "--json").Output(); err == nil && json.Unmarshal(out, &own) == nil {
		v["yfv2d"], v["go"], v["opencv"] = strings.TrimSpace(own.Version+" "+own.Commit), own.Go, own.OpenCV
	}
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "libxnnpack-dev").Output(); err == nil {
		v["libxnnpack"] = string(out)
	}
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		v["node"] = strings.TrimSpace(string(out))
	}
	return v
}

// ortVersion is the version of ONNX Runtime in a lock file, empty if it has none.
func ortVersion(lock []byte) string {
	var l struct {
		Packages map[string]struct{ Version string }
	}
	if json.Unmarshal(lock, &l) != nil {
		return ""
	}
	return l.Packages["node_modules/onnxruntime-node"].Version
}
