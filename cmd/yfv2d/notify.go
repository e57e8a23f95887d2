package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

const (
	// readyWithin is how long a start may wait for cameras to have been tried: openings end by themselves sooner.
	readyWithin = 20 * time.Second
	// healthEvery is the usual time between looks at the cameras; a shorter watchdog shortens it.
	healthEvery = 5 * time.Second
)

// notifier tells the service manager how the daemon is (sd_notify(3)): ready, one line of status, and at short intervals that
// it works. It tells nobody if there is no service manager, but still notices and logs what hangs.
type notifier struct {
	cameras  func() map[string]pipeline.Stats // of the present cameras, by name
	viewers  func() int
	log      zerolog.Logger
	tell     func(state string)
	watchdog time.Duration // the service manager's patience; 0: it has no watchdog
	every    time.Duration // between two looks

	ready  bool
	status string // told last
	fault  string // logged last
	health health
	disk   disk
}

// newNotifier reads from the environment who wants to know.
func newNotifier(cameras func() map[string]pipeline.Stats, viewers func() int, log zerolog.Logger) *notifier {
	n := &notifier{cameras: cameras, viewers: viewers, log: log, every: healthEvery, disk: newDisk(log)}
	n.tell = func(state string) {
		if _, err := systemd.SdNotify(false, state); err != nil {
			log.Warn().Err(err).Msg("tell the service manager")
		}
	}
	patience, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("the service manager's watchdog cannot be fed")
	}
	if n.watchdog = patience; patience > 0 {
		n.every = min(n.every, patience/3)
	}
	return n
}

// run looks at the cameras until ctx ends, and says then that the daemon stops.
func (n *notifier) run(ctx context.Context) {
	start := time.Now()
	tick := time.NewTicker(min(n.every, time.Second)) // quick until ready, so that a start is not held up
	defer tick.Stop()
	for {
		now := time.Now()
		if !n.ready && (tried(n.cameras()) || now.Sub(start) >= readyWithin) {
			n.ready = true
			n.tell(systemd.SdNotifyReady)
			tick.Reset(n.every)
		}
		n.look(now)
		select {
		case <-ctx.Done():
			n.tell(systemd.SdNotifyStopping)
			return
		case <-tick.C:
		}
	}
}

// reloading tells that a reload begins; the function it returns, that it has ended.
func (n *notifier) reloading() (done func()) {
	n.tell(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
	return func() { n.tell(systemd.SdNotifyReady) }
}

// look feeds the watchdog if all cameras work or are honestly down, and tells a status that has changed.
func (n *notifier) look(now time.Time) {
	cameras := n.cameras()
	err := n.health.judge(now, cameras)
	n.note(err)
	n.disk.look(now)
	if err == nil && n.watchdog > 0 {
		n.tell(systemd.SdNotifyWatchdog)
	}
	status := statusLine(cameras, n.viewers(), err)
	if n.disk.full {
		status += "; disk full"
	}
	if status != n.status {
		n.status = status
		n.tell("STATUS=" + status)
	}
}

// note logs a fault once, and its end.
func (n *notifier) note(err error) {
	fault := ""
	if err != nil {
		fault = err.Error()
	}
	switch {
	case fault == n.fault:
		return
	case fault == "":
		n.log.Info().Msg("nothing hangs any more")
	case n.watchdog > 0:
		n.log.Error().Str("reason", fault).Dur("watchdog_ms", n.watchdog).Msg("something hangs; the service manager will restart this service")
	default:
		n.log.Error().Str("reason", fault).Msg("something hangs; only a restart mends it, and no service manager watches over this process")
	}
	n.fault = fault
}

// tried says whether every camera has been tried once: it gives frames, or says why not.
func tried(cameras map[string]pipeline.Stats) bool {
	for _, st := range cameras {
		if st.Ledger.Captured == 0 && (st.Source.State == pipeline.Connecting || st.Source.State == "") {
			return false
		}
	}
	return true
}

// statusLine is what `systemctl status` shows. Rates are whole numbers, so that it changes seldom.
func statusLine(cameras map[string]pipeline.Stats, viewers int, fault error) string {
	if fault != nil {
		return "hangs: " + oneLine(fault.Error())
	}
	if len(cameras) == 0 {
		return "no camera configured"
	}
	live, rate, down := 0, 0.0, []string(nil)
	for _, name := range sortedNames(cameras) {
		st := cameras[name]
		if st.Source.State == pipeline.Live {
			live++
			rate += st.DetectFPS
			continue
		}
		down = append(down, fmt.Sprintf("%s %s", name, st.Source.State))
	}
	line := fmt.Sprintf("%d of %d cameras live, %.0f detections/s, %d viewers", live, len(cameras), rate, viewers)
	if len(down) > 0 {
		line += "; " + strings.Join(down, ", ")
	}
	return oneLine(line)
}

// oneLine keeps a status on one line of bearable length.
func oneLine(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func sortedNames(cameras map[string]pipeline.Stats) []string {
	return slices.Sorted(maps.Keys(cameras))
}
