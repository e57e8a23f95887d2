package main

import (
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

const (
	// diskEvery is how often the state directory's disk is looked at.
	diskEvery = 15 * time.Second
	// diskFull is the room, in bytes, below which a disk counts as full: what is kept is small, but a model may be fetched.
	diskFull = 4 << 20
	// diskRoom is the room that ends it; between the two nothing changes.
	diskRoom = 2 * diskFull
)

// disk notices that the state directory's disk has no room left. Cameras, detection and the live picture need none; what users
// change does. It belongs to the notifier's goroutine.
type disk struct {
	dir  string                                   // "": none, nothing is looked at
	room func(dir string) (bytes uint64, ok bool) // for the service's user
	log  zerolog.Logger

	next time.Time
	full bool
}

func newDisk(log zerolog.Logger) disk {
	dir, err := stateDir()
	if err != nil {
		dir = "" // there is nowhere to keep anything, which whoever keeps something says
	}
	return disk{dir: dir, room: diskSpace, log: log}
}

// look looks if it is time to, and logs a change.
func (d *disk) look(now time.Time) {
	if d.dir == "" || now.Before(d.next) {
		return
	}
	d.next = now.Add(diskEvery)
	room, ok := d.room(d.dir)
	switch {
	case !ok:
	case !d.full && room < diskFull:
		d.full = true
		d.log.Error().Str("dir", d.dir).Uint64("free_bytes", room).
			Msg("the disk is full: cameras and detection go on, but passwords, users and tokens cannot be changed; make room")
	case d.full && room >= diskRoom:
		d.full = false
		d.log.Info().Str("dir", d.dir).Uint64("free_bytes", room).Msg("the disk has room again")
	}
}

// diskSpace is how many bytes a program without privileges may still write below dir.
func diskSpace(dir string) (uint64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false // not made yet
	}
	return st.Bavail * uint64(st.Bsize), true
}
