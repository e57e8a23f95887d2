package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/goleak"
)

// Usage is what the process holds.
type Usage struct{ Files, Children, Threads int }

// Used is the present usage.
func Used() (u Usage, err error) {
	if u.Files, err = entries("/proc/self/fd"); err != nil {
		return u, err
	}
	if u.Threads, err = entries("/proc/self/task"); err != nil {
		return u, err
	}
	lists, err := filepath.Glob("/proc/self/task/*/children") // a child is its thread's
	for _, l := range lists {
		if b, err := os.ReadFile(l); err == nil { // the thread may have ended
			u.Children += len(strings.Fields(string(b)))
		}
	}
	return u, err
}

func entries(dir string) (int, error) {
	list, err := os.ReadDir(dir)
	return len(list), err
}

// settled is how long what ends may take to be gone.
const settled = 10 * time.Second

// Left says what is left over since before: descriptors, children, and goroutines but for those of opt. Threads it counts only beyond
// threads more than before: idle ones stay with the runtime.
func Left(before Usage, threads int, opt ...goleak.Option) error {
	if err := goleak.Find(opt...); err != nil {
		return err
	}
	for end := time.Now().Add(settled); ; time.Sleep(10 * time.Millisecond) {
		now, err := Used()
		if err != nil {
			return err
		}
		if now.Files <= before.Files && now.Children <= before.Children && now.Threads <= before.Threads+threads {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("left over: %+v, before %+v", now, before)
		}
	}
}
