package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"yfv2d/access"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer/xnn"
)

// What the checks hold against a machine.
const (
	hot         = 80.0 // °C: a Raspberry Pi begins to slow down here
	warm        = 70.0
	leastMemory = 150.0 // MB available: the daemon takes half of it
	leastDisk   = 200.0 // MB free
)

// machine looks at board, heat, memory, disk and clock.
func (d *doctor) machine() {
	d.ok("%s, %d cores, %s/%s", cpuName(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	d.ok("%s, kernel %s", osName(), kernel())
	d.ok("processor extensions: %s", orNone(extensions("/proc/cpuinfo")))
	d.heat(sysRoot)
	d.throttled(throttleFlags())
	d.memory()
	d.disk()
	d.clock()
}

// heat tells the temperature.
func (d *doctor) heat(sys string) {
	t := celsius(sys)
	switch {
	case t == nil:
		d.ok("the kernel tells no temperature")
	case *t >= hot:
		d.warn("give it a heat sink or a fan, or lower detect.fps", "%.0f °C: the processor slows down at such heat", *t)
	case *t >= warm:
		d.warn("a heat sink would help", "%.0f °C: warm", *t)
	default:
		d.ok("%.0f °C", *t)
	}
}

// The flags of a Raspberry Pi's firmware (vcgencmd get_throttled).
var throttleBits = []struct {
	bit       uint
	what, fix string
}{
	{0, "the supply voltage is too low now", "use the power supply made for this board"},
	{1, "the clock is capped now", "cool the board"},
	{2, "the processor is throttled now", "cool the board"},
	{3, "the soft temperature limit is reached now", "cool the board"},
	{16, "the supply voltage was too low since the last start", "use the power supply made for this board"},
	{17, "the clock was capped since the last start", "cool the board"},
	{18, "the processor was throttled since the last start", "cool the board"},
	{19, "the soft temperature limit was reached since the last start", "cool the board"},
}

// throttled tells what the firmware's flags mean; nil if there are none.
func (d *doctor) throttled(flags *uint64) {
	if flags == nil {
		return // no Raspberry Pi
	}
	good := true
	for _, b := range throttleBits {
		if *flags>>b.bit&1 == 1 {
			good = false
			d.warn(b.fix, "%s", b.what)
		}
	}
	if good {
		d.ok("never throttled, voltage fine")
	}
}

// throttleFlags reads the firmware's flags from the kernel, or by its tool.
func throttleFlags() *uint64 {
	files, _ := filepath.Glob("/sys/devices/platform/soc*/soc*:firmware/get_throttled")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			return parseFlags(string(b))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "vcgencmd", "get_throttled").Output()
	if err != nil {
		return nil
	}
	return parseFlags(string(out))
}

// parseFlags reads "throttled=0x50000" or "50000".
func parseFlags(s string) *uint64 {
	s = strings.TrimPrefix(strings.TrimSpace(s), "throttled=")
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	if err != nil {
		return nil
	}
	return &n
}

func (d *doctor) memory() {
	total, available := meminfo("MemTotal"), meminfo("MemAvailable")
	if total == 0 {
		return
	}
	if available < leastMemory {
		d.warn("stop other programs, or use one camera and detect.workers = 1", "%.0f of %.0f MB memory available", available, total)
		return
	}
	d.ok("%.0f of %.0f MB memory available", available, total)
}

// meminfo is an entry of /proc/meminfo in MB, 0 if it is not there.
func meminfo(name string) float64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name+":" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

func (d *doctor) disk() {
	var st unix.Statfs_t
	dir, err := os.Getwd()
	if err != nil || unix.Statfs(dir, &st) != nil {
		return
	}
	free := float64(st.Bavail) * float64(st.Bsize) / 1e6
	if free < leastDisk {
		d.warn("make room: logs and clips need it", "%.0f MB free on the disk of %s", free, dir)
		return
	}
	d.ok("%.1f GB free on the disk of %s", free/1000, dir)
}

// clock tells whether something keeps the clock right: times of events and of logs depend on it.
func (d *doctor) clock() {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	switch {
	case err != nil:
		d.ok("clock %s; the kernel does not tell whether it is synchronised", time.Now().Format(time.RFC3339))
	case state == unix.TIME_ERROR || tx.Status&unix.STA_UNSYNC != 0:
		d.warn("timedatectl set-ntp true, or install systemd-timesyncd or chrony",
			"the clock (%s) is not synchronised", time.Now().Format(time.RFC3339))
	default:
		d.ok("clock %s, synchronised", time.Now().Format(time.RFC3339))
	}
}

func osName() string {
	b, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return "an unknown system"
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// worth are the processor's extensions that the engines make use of, as /proc/cpuinfo spells them on amd64 and arm64.
var worth = []string{"avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "asimddp", "asimdhp", "i8mm", "sve"}

func extensions(cpuinfo string) []string {
	b, _ := os.ReadFile(cpuinfo)
	var has []string
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && (strings.TrimSpace(k) == "flags" || strings.TrimSpace(k) == "Features") {
			has = strings.Fields(v)
			break
		}
	}
	return slices.DeleteFunc(slices.Clone(worth), func(s string) bool { return !slices.Contains(has, s) })
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none that the engines know"
	}
	return strings.Join(list, ", ")
}

// engines tries the engines with the built-in model, and the encoders.
func (d *doctor) engines() {
	m, err := loadModel("builtin")
	if err != nil {
		d.fail("build or install yfv2d anew", "the built-in model: %v", err)
		return
	}
	e, err := builtEngines.choose(engineAuto, m, probeInput)
	switch {
	case err != nil:
		d.fail("", "%v", err)
	case !xnn.Built:
		d.warn("build with XNNPACK (without the tag noxnnpack)", "%s; %v", e.name, xnn.ErrNotBuilt)
	case e.warning != "":
		d.warn("", "%s", e.warning)
	default:
		names := make([]string, 0, len(e.trial))
		for name := range e.trial {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b string) int { return int(1000 * (e.trial[a] - e.trial[b])) })
		for i, name := range names {
			names[i] = fmt.Sprintf("%s %.1f ms", name, e.trial[name])
		}
		d.ok("a forward of the built-in model at %dx%d: %s", probeInput.X, probeInput.Y, strings.Join(names, ", "))
	}
	d.encoders()
}

// network looks at the ports and at the addresses that viewers reach.
func (d *doctor) network(ctx context.Context, cfg *config.Config) {
	listen := config.Default().Server.Listen
	if cfg != nil {
		listen = cfg.Server.Listen
	}
	for _, addr := range listen {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			d.warn("if yfv2d runs already all is well; else choose another port in server.listen", "%s: %v", addr, err)
			continue
		}
		_ = l.Close()
		d.ok("%s is free", addr)
	}
	open := slices.ContainsFunc(listen, func(a string) bool {
		host, _, err := net.SplitHostPort(a)
		ip := net.ParseIP(host)
		return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
	})
	d.access(cfg)
	if cfg != nil {
		if text := certificateText(cfg.Server.TLS); text != "" {
			d.ok("%s", text)
		}
	}
	ips := outsideAddrs()
	switch {
	case !open:
		d.ok("only this machine sees the page; server.listen changes that")
	case len(ips) == 0:
		d.warn("connect it to a network", "this machine has no address that others reach: the live picture stays here")
	default:
		d.ok("viewers reach this machine on %s (WebRTC over UDP)", strings.Join(ips, ", "))
	}
}

// access says who may look, and whether somebody can.
func (d *doctor) access(cfg *config.Config) {
	s := config.Default().Server
	if cfg != nil {
		s = cfg.Server
	}
	if !s.Login() {
		if s.Reached() {
			d.warn("set server.allow_open = false: then people log in", "%s", accessSummary(s))
			return
		}
		d.ok("%s", accessSummary(s))
		return
	}
	store, err := openStore("")
	if err != nil {
		d.fail("", "%v", err)
		return
	}
	users, err := store.Users()
	var damaged *access.DamagedError
	switch {
	case errors.As(err, &damaged):
		d.fail("", "%v", err)
	case err != nil:
		d.ok("%s; who may log in only the daemon's user and root can read", accessSummary(s))
	case len(users) == 0:
		d.ok("%s; no users yet: the first start makes admin and tells the password", accessSummary(s))
	case slices.ContainsFunc(users, func(u access.User) bool { return u.Initial }):
		d.warn("log in and choose another, or yfv2d user passwd admin", "%s; %s, one with the password that was generated", accessSummary(s), plural(len(users), "user"))
	default:
		d.ok("%s; %s", accessSummary(s), plural(len(users), "user"))
	}
}

// outsideAddrs are this machine's addresses that others reach.
func outsideAddrs() []string {
	addrs, _ := net.InterfaceAddrs()
	var out []string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	return out
}
