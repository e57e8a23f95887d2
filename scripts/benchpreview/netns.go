package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// netns is a network of its own, with one wire to ours, whose far end can be made slow.
type netns struct {
	name, near string // of the namespace, and of our end of the wire
}

// The wire's ends. 198.18.0.0/15 is for such measurements (RFC 2544 C.2.2).
const (
	nearAddr = "198.18.77.1"
	farAddr  = "198.18.77.2"
	farEnd   = "eth0" // inside; a name as a real machine's, since daemons leave out virtual networks
)

// newNetns lays the wire. It needs root and iproute2. The caller removes it.
func newNetns(ctx context.Context) (*netns, error) {
	if os.Geteuid() != 0 {
		return nil, skipped{"a network namespace needs root"}
	}
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, skipped{tool + " is not here (package iproute2)"}
		}
	}
	n := &netns{name: fmt.Sprintf("yfv2d-%d", os.Getpid()), near: fmt.Sprintf("yfv%d", os.Getpid()%1_000_000)}
	for i, words := range []string{
		"ip netns add " + n.name,
		"ip link add " + n.near + " type veth peer name " + farEnd + " netns " + n.name,
		"ip addr add " + nearAddr + "/30 dev " + n.near,
		"ip link set " + n.near + " up",
		"ip -n " + n.name + " addr add " + farAddr + "/30 dev " + farEnd,
		"ip -n " + n.name + " link set " + farEnd + " up",
		"ip -n " + n.name + " link set lo up",
	} {
		if err := command(ctx, words); err != nil {
			err = errors.Join(err, n.remove())
			if i < 2 && ctx.Err() == nil { // a container without the right to
				return nil, skipped{"no network namespace can be made here: " + oneLine(err.Error())}
			}
			return nil, err
		}
	}
	return n, nil
}

// remove takes the namespace away, and the wire with it. Processes in it must have ended.
func (n *netns) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // also after Ctrl-C
	defer cancel()
	err := command(ctx, "ip netns del "+n.name)
	// The kernel takes the wire away a moment after the namespace; a wire that never got into it stays.
	_ = command(ctx, "ip link del "+n.near)
	return err
}

func (n *netns) inside() []string { return []string{"ip", "netns", "exec", n.name} }

// slow limits what leaves the far end. A router's queue of 300 ms stands before the limit: packets beyond it are lost.
func (n *netns) slow(ctx context.Context) error {
	return command(ctx, "tc -n "+n.name+" qdisc add dev "+farEnd+" root tbf rate 500kbit burst 5kb latency 300ms")
}

func (n *netns) free(ctx context.Context) error {
	return command(ctx, "tc -n "+n.name+" qdisc del dev "+farEnd+" root")
}

func command(ctx context.Context, words string) error {
	f := strings.Fields(words)
	out, err := exec.CommandContext(ctx, f[0], f[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", words, err, strings.TrimSpace(string(out)))
	}
	return nil
}
