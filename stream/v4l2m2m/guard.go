package v4l2m2m

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// maxStuck is how many calls that never returned are put up with; each holds a thread, a device and its buffers.
const maxStuck = 3

// stuck counts calls that have not returned, of all encoders.
var stuck atomic.Int32

var errStuck = errors.New("a call into the driver does not return")

// result is what a guarded call gives: a session that it made or worked with, and a coded frame.
type result struct {
	session *session
	unit    []byte
	err     error
}

// guarded makes calls into a driver, which may never return, on a goroutine of its own. After the limit it is abandoned: the
// session is then no longer the caller's, and is closed if the calls ever return.
func guarded(limit time.Duration, calls func() result) result {
	if n := stuck.Load(); n >= maxStuck {
		return result{err: fmt.Errorf("the driver hangs: %d calls have not returned", n)}
	}
	const running, returned, abandoned = 0, 1, 2
	var state atomic.Int32
	done := make(chan result, 1)
	go func() {
		r := calls()
		if state.CompareAndSwap(running, returned) {
			done <- r
			return
		}
		if r.session != nil {
			_ = r.session.close() // nobody is left to tell
		}
		stuck.Add(-1)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r
	case <-timer.C:
		stuck.Add(1)
		if state.CompareAndSwap(running, abandoned) {
			return result{err: errStuck}
		}
		stuck.Add(-1) // it returned in the last moment
		return <-done
	}
}
