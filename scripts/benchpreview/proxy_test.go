package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestProxyStandsBetween: neither side is told of the other's addresses, and nothing else changes.
func TestProxyStandsBetween(t *testing.T) {
	media := echo(t)
	answer := strings.Join([]string{"v=0", "a=ice-ufrag:abcd",
		"a=candidate:1 1 tcp 9 127.0.0.1 9 typ host tcptype passive",
		"a=candidate:2 1 udp 9 ::1 4000 typ host",
		fmt.Sprintf("a=candidate:3 1 udp 9 127.0.0.1 %d typ host ufrag x", media.Port()),
		"a=candidate:4 1 UDP 8 192.0.2.1 4000 typ host", "a=end-of-candidates", ""}, "\r\n")
	var offered, host string
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		offered, host = string(body), r.Host
		w.Header().Set("Content-Type", "application/sdp; charset=utf-8")
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, answer)
	}))
	defer far.Close()
	x, err := newProxy(far.URL, path{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	resp, err := http.Post(x.url+"/whep", "application/sdp", strings.NewReader("v=0\r\na=candidate:1 1 udp 9 10.0.0.1 5 typ host\r\nm=video\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if offered != "v=0\r\nm=video\r\n" {
		t.Errorf("the daemon got the offer %q", offered)
	}
	if "http://"+host != x.url {
		t.Errorf("the daemon is called %s, the page came from %s", host, x.url)
	}
	if len(x.relays) != 1 {
		t.Fatalf("%d relays", len(x.relays))
	}
	want := fmt.Sprintf("v=0\r\na=ice-ufrag:abcd\r\na=candidate:3 1 udp 9 127.0.0.1 %d typ host ufrag x\r\na=end-of-candidates\r\n", x.relays[media].port())
	if string(body) != want || resp.StatusCode != http.StatusCreated || resp.Header.Get("ETag") != `"1"` {
		t.Errorf("the browser got %s %v\n%s\nwant\n%s", resp.Status, resp.Header, body, want)
	}
}
