package stream

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on those who listen to live messages. A page has one subscription whatever it shows, so these are so many open
// pages; behind a proxy all pages share its address.
const (
	maxSubscribers       = 256
	maxSubscribersOfAddr = 64
)

// livePace is how patient the server is with who listens to something that lasts.
type livePace struct {
	take      time.Duration // a client that takes nothing for so long is given up
	ping      time.Duration // how often a WebSocket's other end is asked for a sign of life
	heartbeat time.Duration // how often silent server-sent events say a word: proxies keep the connection, and who has gone is noticed
}

var defaultPace = livePace{take: 10 * time.Second, ping: 5 * time.Second, heartbeat: 15 * time.Second}

// liveHub is all who listen to live messages.
type liveHub struct {
	dropped [liveKinds]atomic.Uint64 // messages left out for subscribers that were too slow, by kind
	working sync.WaitGroup           // requests that subscribers came by

	mu     sync.Mutex // guards what follows and the subscribers' cameras; taken before a feed's
	set    *cameraSet
	subs   map[*liveSubscriber]struct{}
	byAddr map[netip.Addr]int
	closed bool
}

func newLiveHub() *liveHub {
	return &liveHub{subs: map[*liveSubscriber]struct{}{}, byAddr: map[netip.Addr]int{}}
}

// liveSubscriber is one page or script that listens.
type liveSubscriber struct {
	*liveQueue
	addr    netip.Addr
	names   []string     // of the cameras asked for; nil: all, also those to come
	cameras []liveCamera // told of in its newest hello; guarded by the hub's mu
	greeted bool         // likewise
}

// liveCamera is a camera as a subscriber knows it.
type liveCamera struct {
	name string
	feed *liveFeed // nil: no live picture
}

var (
	errHubClosed   = errors.New("the server stops")
	errHubFull     = fmt.Errorf("%d pages and scripts listen already; close some", maxSubscribers)
	errHubAddrFull = fmt.Errorf("%d pages and scripts of this address listen already; close some", maxSubscribersOfAddr)
)

// join adds a subscriber, whose first message is a hello. The caller calls leave.
func (h *liveHub) join(addr netip.Addr, names []string) (*liveSubscriber, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, errHubClosed
	case len(h.subs) >= maxSubscribers:
		return nil, errHubFull
	case h.byAddr[addr] >= maxSubscribersOfAddr:
		return nil, errHubAddrFull
	}
	h.working.Add(1)
	s := &liveSubscriber{liveQueue: newLiveQueue(&h.dropped), addr: addr, names: names}
	h.subs[s] = struct{}{}
	h.byAddr[addr]++
	h.follow(s)
	return s, nil
}

// leave ends what join began.
func (h *liveHub) leave(s *liveSubscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unfollow(s)
	delete(h.subs, s)
	if h.byAddr[s.addr]--; h.byAddr[s.addr] <= 0 {
		delete(h.byAddr, s.addr)
	}
	h.working.Done()
}

// show replaces the cameras; every subscriber that this concerns gets a new hello, then messages of the new cameras.
func (h *liveHub) show(set *cameraSet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set = set
	for s := range h.subs {
		h.follow(s)
	}
}

// close ends new subscriptions and waits for the running ones, whose contexts the caller has ended.
func (h *liveHub) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.working.Wait()
}

// count is the number of subscribers.
func (h *liveHub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs)
}

// follow puts a subscriber on the feeds of the cameras that it wants and that there are now. mu is held.
func (h *liveHub) follow(s *liveSubscriber) {
	var now []liveCamera
	hello := []helloCameraJSON{}
	for i := range h.set.list {
		c := &h.set.list[i]
		if s.names != nil && !slices.Contains(s.names, c.Name) {
			continue
		}
		now = append(now, liveCamera{c.Name, c.feed()})
		hello = append(hello, helloCameraJSON{Name: c.Name, Classes: append([]string{}, c.Classes...)})
	}
	if s.greeted && slices.Equal(now, s.cameras) {
		return
	}
	h.unfollow(s)
	s.cameras, s.greeted = now, true
	s.fit(len(now))
	s.put(liveMessage{kind: liveHello, text: helloText(hello, time.Now())})
	for _, c := range now {
		if c.feed != nil {
			c.feed.add(s.liveQueue)
		}
	}
}

// unfollow takes a subscriber off all feeds. mu is held.
func (h *liveHub) unfollow(s *liveSubscriber) {
	for _, c := range s.cameras {
		if c.feed != nil {
			c.feed.remove(s.liveQueue)
		}
	}
	s.cameras = nil
}

// feed is the camera's, nil if it has no live picture.
func (c *Camera) feed() *liveFeed {
	if c.Broadcaster == nil {
		return nil
	}
	return c.Broadcaster.feed
}

// subscribe makes a subscriber of the request, or answers why not.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) *liveSubscriber {
	names, err := liveNames(r.URL.RawQuery)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return nil
	}
	set := s.cameras.Load()
	for _, name := range names {
		if set.byName[name] == nil {
			set.refuse(w, name)
			return nil
		}
	}
	sub, err := s.live.join(remoteAddr(r), names)
	if err == nil {
		return sub
	}
	code := http.StatusServiceUnavailable
	if errors.Is(err, errHubAddrFull) {
		code = http.StatusTooManyRequests
	}
	w.Header().Set("Retry-After", "10")
	writeError(w, code, err.Error())
	return nil
}

// liveNames are the cameras that ?cameras=a,b names, each once; nil if there is no such parameter.
func liveNames(query string) ([]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("parameters %s: want name=value joined by &", quote(query))
	}
	all, given := values["cameras"]
	if !given {
		return nil, nil
	}
	names := []string{}
	for name := range strings.SplitSeq(strings.Join(all, ","), ",") {
		if name == "" {
			return nil, errors.New("cameras: a name is empty; write cameras=a,b or leave it out for all cameras")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// remoteAddr is the address that a request's limits are counted by: of IPv6 the first 64 bits, which are one network's.
func remoteAddr(r *http.Request) netip.Addr {
	addr := clientAddr(r)
	if !addr.IsValid() || addr.Is4() {
		return addr
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return network.Addr()
}
