package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"yfv2d/capture"
)

// Exit codes, as --help and docs/api.md give them.
const (
	exitOK      = 0
	exitFailed  = 1  // some or all inputs failed, or the work itself did
	exitUsage   = 2  // the command line is wrong
	exitWarning = 3  // doctor: it works, with warnings
	exitConfig  = 78 // the configuration file or its model is wrong (EX_CONFIG of sysexits.h): no retry can mend it
)

// exitError is an error that knows the exit code it ends the program with. Any other error means exitFailed.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }
func (e exitError) exitCode() int { return e.code }

// usageErrorf is an error of the command line.
func usageErrorf(format string, args ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode is the code that err ends the program with.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var c interface{ exitCode() int }
	if errors.As(err, &c) {
		return c.exitCode()
	}
	return exitFailed
}

// report writes err for a person, each of its lines with the program's name before it. A reader of our output that
// has gone away (head, a closed pager) is no news to anyone.
func report(w io.Writer, err error) {
	if err == nil || errors.Is(err, syscall.EPIPE) || err.Error() == "" {
		return
	}
	prefix := ""
	if toJournal(w) {
		prefix = journalPrefix(zerolog.ErrorLevel)
	}
	for _, line := range strings.Split(strings.TrimSpace(err.Error()), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(w, "%syfv2d: %s\n", prefix, capture.Hidden(line))
		}
	}
}
