package stream_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestHalfOpenFlood: thousands who ask and never connect, of one address and of many, leave a viewer's picture as it was,
// and places for others.
func TestHalfOpenFlood(t *testing.T) {
	b := newBench(t, nil)
	live := newPeer(b)
	live.watch()
	last := live.picture()
	offer := newPeer(b).offer()
	stop, watched := make(chan struct{}), make(chan struct{})
	pictures, gaps := 0, 0
	go func() {
		defer close(watched)
		for {
			select {
			case pkt := <-live.packets:
				if pkt.SequenceNumber != last.seqs[len(last.seqs)-1]+1 {
					gaps++
				}
				last.seqs = append(last.seqs[:0], pkt.SequenceNumber)
				if pkt.Marker {
					pictures++
				}
			case <-stop:
				return
			}
		}
	}()
	const requests, workers = 10_000, 8
	var mu sync.Mutex
	codes := map[int]int{}
	var wg sync.WaitGroup
	begin := time.Now()
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := w; n < requests; n += workers {
				r := httptest.NewRequest(http.MethodPost, endpoint, strings.NewReader(offer))
				r.SetPathValue("name", "door")
				r.Header.Set("Content-Type", "application/sdp")
				r.RemoteAddr = "198.51.100.1:4000"
				if n%4 == 0 {
					r.RemoteAddr = "203.0.113." + string(rune('0'+n/4%10)) + ":4000"
				}
				rec := httptest.NewRecorder()
				b.whep.ServeHTTP(rec, r)
				if rec.Code >= 400 && rec.Header().Get("Retry-After") == "" {
					t.Errorf("%d without Retry-After: %s", rec.Code, rec.Body)
				}
				mu.Lock()
				codes[rec.Code]++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	time.Sleep(time.Until(begin.Add(2 * time.Second))) // so that there is something to be seen
	close(stop)
	<-watched
	t.Logf("answers %v in %v; %d pictures meanwhile, %d gaps", codes, time.Since(begin), pictures, gaps)
	for code := range codes {
		if code != http.StatusCreated && code != http.StatusTooManyRequests && code != http.StatusServiceUnavailable {
			t.Errorf("%d times %d", codes[code], code)
		}
	}
	// A place is free again when its session has not connected in time.
	if most := 15 * (1 + int(time.Since(begin)/(15*time.Second))); codes[http.StatusCreated] == 0 || codes[http.StatusCreated] > most {
		t.Errorf("%d sessions were begun, want at most %d", codes[http.StatusCreated], most)
	}
	if pictures == 0 || gaps > 0 {
		t.Errorf("the viewer got %d pictures with %d gaps", pictures, gaps)
	}
	if n := b.whep.Viewers("door"); n > 16 {
		t.Errorf("%d viewers", n)
	}
	live.leave()
}

// TestChurn: viewers who come and go in every way, some in the middle of connecting, leave nothing.
func TestChurn(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	b := newBench(t, nil)
	before, files := goleak.IgnoreCurrent(), openFiles(t)
	for n := range rounds {
		p := newPeer(b)
		switch n % 5 {
		case 0, 1: // watches and leaves
			p.watch()
			p.picture()
			p.leave()
		case 2: // leaves before it connects
			p.post(p.offer())
			p.leave()
		case 3: // goes in the middle of connecting, and says so
			p.watch()
			time.Sleep(time.Duration(n) * time.Millisecond)
			p.leave()
		case 4: // goes in the middle of connecting without a word
			p.watch()
			time.Sleep(time.Duration(n) * time.Millisecond)
			p.close()
		}
	}
	waitFor(t, "all viewers' end", func() bool { return b.whep.Viewers("door") == 0 })
	b.http.CloseClientConnections()
	b.http.Client().CloseIdleConnections()
	goleak.VerifyNone(t, before)
	waitFor(t, "descriptors to be closed", func() bool { return openFiles(t) <= files })
	if st := b.cam.b.Stats(); st.Viewers != 0 || st.EncoderRunning {
		t.Errorf("left: %+v", st)
	}
}
