package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"yfv2d/stream"
)

// setup tells the page that has no camera yet what doctor finds of cameras, and how one gets into the configuration.
// Devices that run are left alone.
func (d *daemon) setup(ctx context.Context) stream.Setup {
	doc := &doctor{}
	for _, c := range d.fleet.list() {
		doc.inUse = append(doc.inUse, c.settings.Source, c.settings.DetectSource)
	}
	doc.devices(ctx)
	out := stream.Setup{File: d.cfg.Path, Reload: reloadCommand()}
	if abs, err := filepath.Abs(d.cfg.Path); err == nil {
		out.File = abs
	}
	for _, f := range doc.report.Findings {
		out.Findings = append(out.Findings, stream.Finding{Grade: f.Grade.String(), What: f.What, Fix: f.Fix, Config: f.Config})
	}
	return out
}

// reloadCommand has this process read its configuration again.
func reloadCommand() string {
	if unit := serviceUnit(); unit != "" {
		return "sudo systemctl reload " + unit
	}
	return fmt.Sprintf("kill -HUP %d", os.Getpid())
}

// serviceUnit is the name of the systemd service that this process is, without ".service"; empty if it is none. A program
// that a service's program starts has another id than systemd noted (systemd.exec(5), SYSTEMD_EXEC_PID).
func serviceUnit() string {
	if os.Getenv("SYSTEMD_EXEC_PID") != strconv.Itoa(os.Getpid()) {
		return ""
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return unitOf(string(groups))
}

// unitOf reads a service's name out of /proc/PID/cgroup: "0::/system.slice/yfv2d.service" (cgroups(7)). A user's own
// services are not meant: sudo does not reload them.
func unitOf(groups string) string {
	for line := range strings.Lines(groups) {
		_, at, ok := strings.Cut(strings.TrimSpace(line), "::")
		if unit, is := strings.CutSuffix(path.Base(at), ".service"); ok && is && strings.HasPrefix(at, "/system.slice/") {
			return unit
		}
	}
	return ""
}

// userName is who this process is.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return strconv.Itoa(os.Getuid())
	}
	return u.Username
}
