package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a session lasts. Both are counted on the boot clock (CLOCK_BOOTTIME), which nobody sets: a board without a clock of
// its own jumps by years when it hears of the time, and that must neither log everybody out nor let a session live for
// ever. The file holds times on that clock, with the id of the boot that it belongs to. After a restart within one boot they
// go on as if nothing had been. After another boot the clock starts at nought, and how long the board was off cannot be
// known for sure: a session is then as old as when the file was written last. So what counts is time that the board is on. The
// file is written at least every saveEvery while there are sessions: a power cut gives a session no more than that.
const (
	idleLimit  = 7 * 24 * time.Hour  // without a request
	wholeLimit = 90 * 24 * time.Hour // with requests too
	saveEvery  = time.Hour
)

const (
	sessionsVersion     = 1
	mostSessions        = 2048
	mostSessionsOfUser  = 64
	farthest            = int64(1) << 52 // ms on the boot clock; more is a fault in the file
	bootID              = "/proc/sys/kernel/random/boot_id"
	sessionSecretLength = 43 // characters of base64
)

// session is a browser that logged in. Its times are on the boot clock.
type session struct {
	user    string
	key     string // the user's when it began
	started time.Duration
	seen    time.Duration
	grant   *Grant
	end     context.CancelFunc // revokes the grant
}

func (s *session) over(now time.Duration) bool {
	return now-s.seen > idleLimit || now-s.started > wholeLimit
}

// bootClock is the time since the machine started, sleep included.
func bootClock() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Since(processStart) // a kernel before 2.6.39
	}
	return time.Duration(ts.Nano())
}

var processStart = time.Now()

// thisBoot names the run of the machine; "" if it cannot be known, which is like another one each time.
func thisBoot() string {
	b, err := os.ReadFile(bootID)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// sessionsJSON is sessions.json. Only the daemon writes it.
type sessionsJSON struct {
	Version  int           `json:"version"`
	Boot     string        `json:"boot"`
	At       int64         `json:"at"` // when it was written, ms on the boot clock
	Sessions []sessionJSON `json:"sessions"`
}

type sessionJSON struct {
	Hash    sum    `json:"hash"`
	User    string `json:"user"`
	Key     string `json:"key"`
	Started int64  `json:"started"` // ms on the boot clock; below 0 if that was before this boot
	Seen    int64  `json:"seen"`
}

// parseSessions reads sessions.json into times on the clock of this boot, which stands at now.
func parseSessions(data []byte, boot string, now time.Duration) (map[sum]*session, error) {
	var f sessionsJSON
	if err := decode(data, &f); err != nil {
		return nil, err
	}
	if f.Version != sessionsVersion {
		return nil, fmt.Errorf("has version %d; this yfv2d knows version %d", f.Version, sessionsVersion)
	}
	if len(f.Sessions) > mostSessions {
		return nil, fmt.Errorf("has more than %d sessions", mostSessions)
	}
	shift := time.Duration(0)
	if f.Boot != boot || boot == "" || ms(f.At) > now { // the last cannot be within one boot
		shift = now - ms(f.At)
	}
	out := map[sum]*session{}
	for i, s := range f.Sessions {
		if s.Started > s.Seen || s.Seen > f.At || s.Started < -farthest || f.At > farthest || out[s.Hash] != nil ||
			s.User == "" || s.Key == "" || s.Hash == (sum{}) {
			return nil, fmt.Errorf("session %d has a fault", i+1)
		}
		out[s.Hash] = &session{user: s.User, key: s.Key, started: ms(s.Started) + shift, seen: ms(s.Seen) + shift}
	}
	return out, nil
}

func ms(n int64) time.Duration {
	return time.Duration(max(-farthest, min(n, farthest))) * time.Millisecond
}

// formatSessions is what parseSessions reads.
func formatSessions(sessions map[sum]*session, boot string, now time.Duration) ([]byte, error) {
	f := sessionsJSON{Version: sessionsVersion, Boot: boot, At: now.Milliseconds(), Sessions: []sessionJSON{}}
	for hash, s := range sessions {
		f.Sessions = append(f.Sessions, sessionJSON{hash, s.user, s.key, min(s.started.Milliseconds(), s.seen.Milliseconds()), min(s.seen.Milliseconds(), f.At)})
	}
	slices.SortFunc(f.Sessions, func(a, b sessionJSON) int { return int(max(-1, min(1, a.Started-b.Started))) })
	data, err := json.MarshalIndent(f, "", " ")
	return append(data, '\n'), err
}

// loadSessions reads the sessions of an earlier run. Without the file, or with a faulty one, there are none: who was logged in
// logs in again.
func (s *Store) loadSessions(boot string, now time.Duration) (map[sum]*session, error) {
	data, err := s.read(sessionsFile)
	if errors.Is(err, os.ErrNotExist) {
		return map[sum]*session{}, nil
	}
	if err == nil {
		var all map[sum]*session
		if all, err = parseSessions(data, boot, now); err == nil {
			return all, nil
		}
		err = fmt.Errorf("%s %w; everybody has to log in again", s.path(sessionsFile), err)
	}
	return map[sum]*session{}, err
}

func (s *Store) saveSessions(ctx context.Context, data []byte) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.write(sessionsFile, data)
}
