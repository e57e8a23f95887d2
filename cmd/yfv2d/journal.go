package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/rs/zerolog"
)

// journal writes log lines to systemd's journal, which takes each line's priority from a prefix (sd-daemon(3)): so that
// `journalctl -p warning` shows what it should. The lines themselves stay as they are, JSON for those who ask by field.
type journal struct {
	mu    sync.Mutex
	out   io.Writer
	lines io.Writer    // JSON in, the configured form out, into line
	line  bytes.Buffer // guarded by mu
}

// newJournal prefixes what form, given where to write, makes of the lines.
func newJournal(out io.Writer, form func(io.Writer) io.Writer) *journal {
	j := &journal{out: out}
	j.lines = form(&j.line)
	return j
}

// Write takes a line of no level.
func (j *journal) Write(p []byte) (int, error) { return j.WriteLevel(zerolog.NoLevel, p) }

// WriteLevel makes one write of a line, so that lines of other goroutines do not come between.
func (j *journal) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line.Reset()
	j.line.WriteString(journalPrefix(level))
	if _, err := j.lines.Write(p); err != nil {
		return 0, err
	}
	if _, err := j.out.Write(j.line.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// journalPrefix is syslog's priority for a level.
func journalPrefix(level zerolog.Level) string {
	switch level {
	case zerolog.TraceLevel, zerolog.DebugLevel:
		return "<7>"
	case zerolog.WarnLevel:
		return "<4>"
	case zerolog.ErrorLevel:
		return "<3>"
	case zerolog.FatalLevel, zerolog.PanicLevel:
		return "<2>"
	default:
		return "<6>"
	}
}

// toJournal says whether w is the journal: then $JOURNAL_STREAM has its device and inode (systemd.exec(5)). The variable alone
// proves nothing, as programs that the service starts inherit it.
func toJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("JOURNAL_STREAM") == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
