package stream

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// event reads the next event: its type and its message.
func event(t *testing.T, lines *bufio.Scanner) (string, message) {
	t.Helper()
	var kind string
	var m message
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &m); err != nil {
				t.Fatal(err)
			}
		case "":
			if kind != "" {
				return kind, m
			}
		}
	}
	t.Fatalf("the events ended: %v", lines.Err())
	return "", m
}

func TestEvents(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("", func(t *testing.T) {
		st := newLiveStage(t, 2, nil)
		client := &http.Client{Transport: &http.Transport{}}
		resp, err := client.Get(st.url("http", "/api/events?cameras=b"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" {
			t.Fatalf("status %d, %s", resp.StatusCode, got)
		}
		lines := bufio.NewScanner(resp.Body)
		if kind, m := event(t, lines); kind != "hello" || m.names() != "b" {
			t.Errorf("%s %+v", kind, m)
		}
		at := time.Now()
		st.frame(0, at)
		st.frame(1, at)
		st.detected(1, at)
		if kind, m := event(t, lines); kind != "frame" || m.Camera != "b" || m.RTP != st.cameras[1].Broadcaster.rtpTime(at) {
			t.Errorf("%s %+v", kind, m)
		}
		if kind, m := event(t, lines); kind != "detect" || m.Type != "detect" || m.Interval != 100 {
			t.Errorf("%s %+v", kind, m)
		}
		_ = resp.Body.Close()
		waitFor(t, "the script to be gone", func() bool { return st.s.live.count() == 0 })
		if resp, err := client.Head(st.url("http", "/api/events")); err != nil || resp.StatusCode != 200 {
			t.Errorf("HEAD: %v %v", resp, err)
		}
		client.CloseIdleConnections()
	})
}

// Events outlast the server's time limits: silence is filled with heartbeats.
func TestEventsOutlastTimeLimits(t *testing.T) {
	t.Parallel() // it waits
	st := newLiveStage(t, 1, nil)
	st.s.pace.heartbeat = 50 * time.Millisecond
	resp, err := http.Get(st.url("http", "/api/events"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	event(t, lines)
	beats := 0
	for began := time.Now(); time.Since(began) < readTimeout+2*time.Second && lines.Scan(); {
		if lines.Text() == ":" {
			beats++
		}
	}
	st.frame(0, time.Now())
	if kind, _ := event(t, lines); kind != "frame" || beats < 10 {
		t.Errorf("%s after %d heartbeats", kind, beats)
	}
}
