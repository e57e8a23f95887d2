package faulttest

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// execcamPackage is the program that is a camera's peer.
const execcamPackage = "yfv2d/capture/faulttest/execcam"

var built struct {
	sync.Once
	bin []byte
	err error
}

// execcam is the program, which is built once.
func execcam() ([]byte, error) {
	built.Do(func() {
		dir, err := os.MkdirTemp("", "faulttest")
		if err != nil {
			built.err = err
			return
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "execcam")
		cmd := exec.Command("go", "build", "-o", path, execcamPackage)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		if built.err = cmd.Run(); built.err == nil {
			built.bin, built.err = os.ReadFile(path)
		}
	})
	return built.bin, built.err
}

// programs starts nothing itself: it gives orders to the execcam that the camera runs, whichever that is at the moment.
type programs struct {
	b      *bench
	path   string // of the program
	socket string
	ln     net.Listener
	served sync.WaitGroup

	mu     sync.Mutex
	play   order    // guarded by mu; what each new one is told first
	pid    int      // guarded by mu; 0: none runs
	orders net.Conn // guarded by mu; to that one
}

// order is execcam's.
type order struct {
	Play    string        `json:",omitempty"`
	Every   time.Duration `json:",omitempty"`
	Half    bool          `json:",omitempty"`
	Drip    bool          `json:",omitempty"`
	Garbage int           `json:",omitempty"`
	Exit    bool          `json:",omitempty"`
	Code    int           `json:",omitempty"`
	Says    string        `json:",omitempty"`
}

func startPrograms(b *bench, clips map[string][][]byte, first string) *programs {
	bin, err := execcam()
	if err != nil {
		b.Fatalf("build a program that is a camera: %v", err)
	}
	dir := b.TempDir()
	p := &programs{b: b, path: filepath.Join(dir, "execcam"), socket: filepath.Join(dir, "orders")}
	if err := os.WriteFile(p.path, bin, 0o700); err != nil {
		b.Fatalf("%v", err)
	}
	for name, units := range clips {
		file, err := json.Marshal(units)
		if err == nil {
			err = os.WriteFile(p.clip(name), file, 0o600)
		}
		if err != nil {
			b.Fatalf("%v", err)
		}
	}
	p.next(first)
	if p.ln, err = net.Listen("unix", p.socket); err != nil {
		b.Fatalf("%v", err)
	}
	p.served.Add(1)
	go p.serve()
	b.Cleanup(p.close)
	return p
}

func (p *programs) clip(name string) string { return filepath.Join(filepath.Dir(p.path), name) }

// close ends the goroutines. The programs are their camera's, which ended them.
func (p *programs) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	if p.orders != nil {
		_ = p.orders.Close()
	}
	p.mu.Unlock()
	p.served.Wait()
}

func (p *programs) serve() {
	defer p.served.Done()
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.served.Add(1)
		go p.attend(conn)
	}
}

// attend looks after a program as long as it runs.
func (p *programs) attend(conn net.Conn) {
	defer p.served.Done()
	defer conn.Close()
	dec := json.NewDecoder(conn)
	var pid int
	if dec.Decode(&pid) != nil {
		return
	}
	p.mu.Lock()
	p.pid, p.orders = pid, conn
	err := json.NewEncoder(conn).Encode(p.play)
	p.mu.Unlock()
	if err == nil {
		_ = dec.Decode(new(int)) // it says no more: this waits for its end
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.orders == conn {
		p.pid, p.orders = 0, nil
	}
}

// next is what programs play that are started from now on.
func (p *programs) next(clip string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.play = order{Play: p.clip(clip), Every: pictureInterval}
}

// tell gives the running program an order; one that has just ended misses it.
func (p *programs) tell(o order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.orders != nil {
		_ = json.NewEncoder(p.orders).Encode(o)
	}
}

// switchTo has the running program, and those after it, play another clip.
func (p *programs) switchTo(clip string) {
	p.next(clip)
	p.mu.Lock()
	o := p.play
	p.mu.Unlock()
	p.tell(o)
}

// signal sends a signal to the running program: its socket is still open, so its number is not another's.
func (p *programs) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		_ = syscall.Kill(p.pid, s)
	}
}

// remove takes the program away, and restore brings it back.
func (p *programs) remove() {
	if err := os.Rename(p.path, p.path+".away"); err != nil {
		p.b.Errorf("%v", err)
	}
}

func (p *programs) restore() {
	if err := os.Rename(p.path+".away", p.path); err != nil {
		p.b.Errorf("%v", err)
	}
}
