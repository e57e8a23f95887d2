package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"yfv2d/cmd/yfv2d/config"
)

// journalFile is a file that passes for the journal.
func journalFile(t *testing.T) (f *os.File, read func() string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	return f, func() string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestJournalPriorities(t *testing.T) {
	f, read := journalFile(t)
	log := newLogger(config.Log{Level: "debug", Format: "auto"}, f)
	log.Debug().Msg("a")
	log.Info().Str("camera", "door").Msg("b")
	log.Warn().Msg("c")
	log.Error().Msg("d")
	log.Log().Msg("e")
	report(f, exitError{exitConfig, errors.New("two\nlines")})
	var got bytes.Buffer
	for _, line := range bytes.Split([]byte(read()), []byte("\n")) {
		if i := bytes.Index(line, []byte(`"time":`)); i >= 0 { // the only thing that changes
			end := i + bytes.IndexByte(line[i:], ',')
			line = append(line[:i:i], line[end+1:]...)
		}
		got.Write(append(line, '\n'))
	}
	want := `<7>{"level":"debug","message":"a"}
<6>{"level":"info","camera":"door","message":"b"}
<4>{"level":"warn","message":"c"}
<3>{"level":"error","message":"d"}
<6>{"message":"e"}
<3>yfv2d: two
<3>yfv2d: lines

`
	if got.String() != want {
		t.Errorf("the journal has\n%swant\n%s", got.String(), want)
	}
}

func TestJournalForPeople(t *testing.T) {
	f, read := journalFile(t)
	log := newLogger(config.Log{Level: "info", Format: "human"}, f)
	log.Warn().Str("camera", "door").Msg("down")
	if got := read(); len(got) < 4 || got[:3] != "<4>" || got[3] == '{' || got[len(got)-1] != '\n' {
		t.Errorf("the journal has %q", got)
	}
}

func TestOtherStreamsHaveNoPriorities(t *testing.T) {
	f, read := journalFile(t)
	t.Setenv("JOURNAL_STREAM", "1:2") // of another program's stream
	log := newLogger(config.Log{Level: "info", Format: "json"}, f)
	log.Info().Time("at", time.Time{}).Msg("a")
	if got := read(); got == "" || got[0] != '{' {
		t.Errorf("the file has %q", got)
	}
	var b bytes.Buffer
	report(&b, errors.New("x"))
	if b.String() != "yfv2d: x\n" {
		t.Errorf("got %q", b.String())
	}
}
