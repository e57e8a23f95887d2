package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestDiskFullIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	room, ok := uint64(1<<30), true
	d := disk{dir: "/state", log: zerolog.New(&log), room: func(string) (uint64, bool) { return room, ok }}
	now := time.Now()
	for _, tt := range []struct {
		name string
		room uint64
		ok   bool
		want string // what the log says anew, "" for nothing
	}{
		{"room", 1 << 30, true, ""},
		{"full", 100, true, "disk is full"},
		{"still full", 0, true, ""},
		{"cannot be told", 0, false, ""},
		{"a little room", diskFull + 1, true, ""},
		{"room again", diskRoom, true, "has room again"},
		{"a little less", diskFull, true, ""},
		{"full again", diskFull - 1, true, "disk is full"},
	} {
		log.Reset()
		room, ok = tt.room, tt.ok
		now = now.Add(diskEvery)
		d.look(now)
		d.look(now.Add(time.Second)) // too soon for another look
		if got := log.String(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s: the log says %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDiskSpace(t *testing.T) {
	if room, ok := diskSpace(t.TempDir()); !ok || room == 0 {
		t.Errorf("%d bytes, %v", room, ok)
	}
	if _, ok := diskSpace("/nowhere/at/all"); ok {
		t.Error("a folder that is not there has a disk")
	}
}
