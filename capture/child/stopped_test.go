package child

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStoppedChildEnds: a child that is stopped (SIGSTOP) ends when it is asked to, and need not be killed.
func TestStoppedChildEnds(t *testing.T) {
	p, err := start("sleep", []string{"sleep", "60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGSTOP)
	if err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	p.stop()
	if !strings.Contains(p.err.Error(), "SIGTERM") {
		t.Errorf("it ended so: %v", p.err)
	}
}
