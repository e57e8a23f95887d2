package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yfv2d/capture/v4l2"
	"yfv2d/stream"
)

func TestUnitOf(t *testing.T) {
	for _, row := range []struct{ name, groups, want string }{
		{"a service", "0::/system.slice/yfv2d.service\n", "yfv2d"},
		{"another name", "0::/system.slice/cameras-yard.service\n", "cameras-yard"},
		{"a user's service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/yfv2d.service\n", ""},
		{"a login", "0::/user.slice/user-1000.slice/session-2.scope\n", ""},
		{"the older groups beside it", "1:name=systemd:/x.service\n0::/system.slice/yfv2d.service\n", "yfv2d"},
		{"a container", "0::/\n", ""},
		{"nothing", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := unitOf(row.groups); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
	t.Run("no service but started by one", func(t *testing.T) {
		t.Setenv("SYSTEMD_EXEC_PID", "1")
		if unit := serviceUnit(); unit != "" || !strings.HasPrefix(reloadCommand(), "kill -HUP ") || !strings.Contains(joinVideo(), "$USER") {
			t.Errorf("unit %q, %q, %q", unit, reloadCommand(), joinVideo())
		}
	})
}

// TestSetup asks a daemon without a camera what it finds, adds one as it says, and has the file read again as the page does.
func TestSetup(t *testing.T) {
	s := serve(t, "127.0.0.1:0", "")
	get := func() (out stream.Setup) {
		t.Helper()
		resp, err := http.Get(s.url + "api/setup")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", resp.StatusCode, err)
		}
		return out
	}
	found := get()
	if !filepath.IsAbs(found.File) || found.Reload != fmt.Sprintf("kill -HUP %d", os.Getpid()) || len(found.Findings) == 0 {
		t.Fatalf("%+v", found)
	}
	for _, f := range found.Findings {
		if f.Grade == "" || f.What == "" || len(f.Config) > 0 && f.Config[0] != "[[camera]]" {
			t.Errorf("finding %+v", f)
		}
	}
	f, err := os.OpenFile(found.File, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\n[[camera]]\nname = \"try\"\nsource = \"test:?size=320x240\"\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.url+"api/reload", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(s.d.fleet.list()) != 1 {
		t.Errorf("reload: status %d, %d cameras", resp.StatusCode, len(s.d.fleet.list()))
	}
}

// What runs is not asked.
func TestDoctorLeavesRunningCamerasAlone(t *testing.T) {
	sources := []string{"v4l2:/dev/video0?size=640x480", "", "rtsp://h/1", "libcamera:?camera=1"}
	if got := devicesOf(sources); !slices.Equal(got, []string{"/dev/video0"}) {
		t.Errorf("devices %q", got)
	}
	if f := deviceFinding(v4l2.Device{Path: "/dev/video0", Used: true}); f.Grade != fine || len(f.Config) > 0 {
		t.Errorf("%+v", f)
	}
	d := &doctor{inUse: sources}
	if !d.piCameras(context.Background()) || len(d.report.Findings) != 1 {
		t.Errorf("%+v", d.report)
	}
}
