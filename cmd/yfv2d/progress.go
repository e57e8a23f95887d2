package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a long job is: a bar with rate and time left, redrawn in place. It shows nothing unless it
// writes to a terminal. One goroutine at a time.
type progress struct {
	bar *progressbar.ProgressBar // nil off a terminal
}

// newProgress starts a bar for total units of work, such as "frames". A total below 1 is unknown: then count and rate
// are shown, and no time left.
func newProgress(w io.Writer, total int64, unit string) *progress {
	if !isTerminal(w) {
		return &progress{}
	}
	return drawProgress(w, total, unit)
}

func drawProgress(w io.Writer, total int64, unit string) *progress {
	if total < 1 {
		total = -1
	}
	return &progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString(unit),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetRenderBlankState(false),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine that draws behind our back
		progressbar.OptionClearOnFinish(),
	)}
}

// add counts n more units as done. At the total the bar vanishes, and what comes beyond it is not shown: containers do
// not always know their length.
func (p *progress) add(n int64) {
	if p.bar != nil {
		_ = p.bar.Add64(n)
	}
}

// clear takes the bar off its line, so that something else can be printed there; the next add draws it again.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
	}
}

// isTerminal says whether w is a terminal that can redraw a line.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
