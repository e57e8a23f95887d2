package stream

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"yfv2d/access"
)

const (
	// postsPerSecond of one address, after a burst of twice the places for viewers: a page opens all cameras at once, and
	// everybody behind one proxy has one address.
	postsPerSecond = 10
	leastBurst     = 32
	// maxDoors bounds the addresses that are kept in mind.
	maxDoors = 4096
	// doorIdle is when an address is forgotten that neither asks nor connects.
	doorIdle = 30 * time.Second
)

// doors bounds how fast one address may ask for pictures, and how many it may ask for without connecting: a session
// that only half exists takes a viewer's place for connectTimeout. So a flood from one address leaves places for others.
type doors struct {
	places    int // for viewers in all
	perCamera int
	now       func() time.Time

	mu    sync.Mutex // guards what follows
	known map[netip.Prefix]*door
	swept time.Time
}

// door is one address.
type door struct {
	asks    *rate.Limiter
	half    int // sessions that do not connect yet
	cameras map[string]int
	last    time.Time
}

func newDoors(places, perCamera int) *doors {
	return &doors{places: places, perCamera: perCamera, now: time.Now, known: map[netip.Prefix]*door{}}
}

// remoteOf is the client's address as it is counted.
func remoteOf(r *http.Request) netip.Prefix { return access.Network(clientAddr(r)) }

// knock counts a request and refuses what is too fast.
func (d *doors) knock(from netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	o := d.known[from]
	if o == nil {
		if d.sweep(now); len(d.known) >= maxDoors {
			return retryLater(5, "too many addresses ask for pictures")
		}
		o = &door{asks: rate.NewLimiter(postsPerSecond, max(2*d.places, leastBurst)), cameras: map[string]int{}}
		d.known[from] = o
	}
	o.last = now
	if !o.asks.AllowN(now, 1) {
		return tooMany("this address asks for pictures too often")
	}
	return nil
}

// sweep forgets addresses, at most once a second. mu is held.
func (d *doors) sweep(now time.Time) {
	if len(d.known) < maxDoors && now.Sub(d.swept) < doorIdle || now.Sub(d.swept) < time.Second {
		return
	}
	d.swept = now
	for a, o := range d.known {
		if o.half == 0 && now.Sub(o.last) > doorIdle {
			delete(d.known, a)
		}
	}
}

// enter counts a session that does not connect yet; the caller leaves when it does, or ends.
func (d *doors) enter(from netip.Prefix, camera string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.known[from]
	if o == nil {
		return tooMany("this address was forgotten; ask again") // swept since it knocked
	}
	if o.half >= most(d.places) || o.cameras[camera] >= most(d.perCamera) {
		return tooMany("too many viewers of this address have not connected yet")
	}
	o.half++
	o.cameras[camera]++
	return nil
}

// most of so many places one address may hold without connecting; the rest is for others.
func most(places int) int { return max(places-places/8, 1) }

func (d *doors) leave(from netip.Prefix, camera string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.known[from]
	if o == nil {
		return
	}
	o.half--
	o.last = d.now()
	if o.cameras[camera]--; o.cameras[camera] <= 0 {
		delete(o.cameras, camera)
	}
}

func tooMany(message string) error {
	return &refusal{status: http.StatusTooManyRequests, retryAfter: 1, message: message}
}
