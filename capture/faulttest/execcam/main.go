// Command execcam is a program that writes a camera's pictures to standard output, and that breaks on demand: it does what it is told
// over a socket, whose path is its argument.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"
)

// order is what execcam is told, a JSON object a line. The first one is Play.
type order struct {
	Play    string        // a file of JSON: coded pictures to play from now on, over and over
	Every   time.Duration // between them
	Half    bool          // write half of the next picture, and then nothing
	Drip    bool          // write a byte a second
	Garbage int           // write so many random bytes at once
	Exit    bool
	Code    int    // of Exit
	Says    string // the last line on standard error
}

type camera struct {
	orders <-chan order
	units  [][]byte
	next   int
	half   bool
	drip   bool
}

func main() {
	if len(os.Args) != 2 {
		fail("want the path of a socket")
	}
	conn, err := net.Dial("unix", os.Args[1])
	if err != nil {
		fail(err.Error())
	}
	if err := json.NewEncoder(conn).Encode(os.Getpid()); err != nil {
		fail(err.Error())
	}
	orders := make(chan order)
	go func() {
		for dec := json.NewDecoder(conn); ; {
			var o order
			if err := dec.Decode(&o); err != nil {
				fail("nobody gives orders any more")
			}
			orders <- o
		}
	}()
	c := camera{orders: orders}
	c.run()
}

func (c *camera) run() {
	var tick <-chan time.Time
	for {
		select {
		case o := <-c.orders:
			if o.Every > 0 {
				tick = time.Tick(o.Every)
			}
			c.obey(o)
		case <-tick:
			c.picture()
		}
	}
}

func (c *camera) obey(o order) {
	switch {
	case o.Play != "":
		c.load(o.Play)
	case o.Half:
		c.half = true
	case o.Drip:
		c.drip = true
	case o.Garbage > 0:
		b := make([]byte, o.Garbage)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		write(b)
	case o.Exit:
		fmt.Fprintln(os.Stderr, o.Says)
		os.Exit(o.Code)
	}
}

func (c *camera) load(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		fail(err.Error())
	}
	c.units, c.next = nil, 0
	if err := json.Unmarshal(b, &c.units); err != nil || len(c.units) == 0 {
		fail(fmt.Sprintf("%s holds no pictures: %v", path, err))
	}
}

func (c *camera) picture() {
	u := c.units[c.next%len(c.units)]
	c.next++
	switch {
	case c.half:
		write(u[:len(u)/2])
		select {}
	case c.drip:
		for i := range u {
			write(u[i : i+1])
			time.Sleep(time.Second)
		}
	default:
		write(u)
	}
}

func write(b []byte) {
	if _, err := os.Stdout.Write(b); err != nil {
		fail(err.Error())
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "execcam:", why)
	os.Exit(1)
}
