package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var content = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// site is a server whose answers to the first requests are scripted; after them it behaves well.
type site struct {
	*httptest.Server

	mu     sync.Mutex
	ranges []string // what each request asked for
}

func (s *site) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ranges)
}

type answer func(w http.ResponseWriter, r *http.Request)

func newSite(t *testing.T, script ...answer) *site {
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		i := len(s.ranges)
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		if i < len(script) {
			script[i](w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return s
}

// cutAt promises everything and drops the connection after n bytes.
func cutAt(n int) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func status(code int) answer {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// whole ignores Range.
func whole(b []byte) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b)
	}
}

// silent sends n bytes and then nothing until the client goes.
func silent(n int) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:n])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func request(s *site, path string) Request {
	return Request{URL: s.URL + "/model.pth", Path: path, SHA256: hash(content), MaxBytes: 1 << 20,
		Client: s.Client(), Pause: time.Millisecond, Stall: time.Minute}
}

func TestFile(t *testing.T) {
	wrongRange := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 7-9/10")
		w.WriteHeader(http.StatusPartialContent)
	}
	for _, row := range []struct {
		name   string
		script []answer
		part   []byte // what an earlier call left
		ranges []string
		err    string // empty: the file arrives
	}{
		{name: "at once", ranges: []string{""}},
		{name: "cut twice", script: []answer{cutAt(100_000), cutAt(1)}, ranges: []string{"", "bytes=100000-", "bytes=1-"}},
		{name: "busy server", script: []answer{status(503), status(429)}, ranges: []string{"", "", ""}},
		{name: "resumes an earlier call", part: content[:5000], ranges: []string{"bytes=5000-"}},
		{name: "range ignored", part: content[:5000], script: []answer{whole(content)}, ranges: []string{"bytes=5000-"}},
		{name: "part already complete", part: content, ranges: []string{"bytes=320000-"}},
		{name: "part longer than the file", part: append(bytes.Clone(content), 1), ranges: []string{"bytes=320001-", ""}},
		{name: "part of another file", part: []byte("something else"), ranges: []string{"bytes=14-", ""}},
		{name: "wrong part sent", part: content[:5000], script: []answer{wrongRange}, ranges: []string{"bytes=5000-", ""}},
		{name: "not found", script: []answer{status(404)}, ranges: []string{""}, err: "404 Not Found"},
		{name: "wrong hash", script: []answer{whole([]byte("other"))}, ranges: []string{""}, err: "SHA-256 " + hash([]byte("other")) + "; expected " + hash(content)},
		{name: "too large by header", script: []answer{whole(make([]byte, 2<<20))}, ranges: []string{""}, err: "bytes; expected at most 1048576"},
		{name: "too large, length unknown", script: []answer{chunked(2 << 20)}, ranges: []string{""}, err: "more than 1048576 bytes"},
		{name: "always busy", script: []answer{status(500), status(500), status(500), status(500)}, ranges: []string{"", "", "", ""}, err: "500 Internal Server Error (4 attempts)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t, row.script...)
			path := filepath.Join(t.TempDir(), "models", "m.pth")
			if row.part != nil {
				writePart(t, path, row.part)
			}
			err := File(context.Background(), request(s, path))
			if got, want := fmt.Sprintf("%q", s.asked()), fmt.Sprintf("%q", row.ranges); got != want {
				t.Errorf("asked for ranges %s; expected %s", got, want)
			}
			checkResult(t, path, err, row.err)
		})
	}
}

func chunked(n int) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(make([]byte, n))
	}
}

func writePart(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".part", b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func checkResult(t *testing.T, path string, err error, want string) {
	t.Helper()
	if want != "" {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v; expected one line with %q", err, want)
		}
		if _, serr := os.Stat(path); serr == nil {
			t.Error("a file was installed")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file differs (%v)", err)
	}
	if _, err := os.Stat(path + ".part"); err == nil {
		t.Error("the part file was left behind")
	}
}

func TestCancelKeepsPart(t *testing.T) {
	s := newSite(t, silent(4000))
	path := filepath.Join(t.TempDir(), "m.pth")
	ctx, cancel := context.WithCancel(context.Background())
	r := request(s, path)
	r.Progress = func(done, _ int64) {
		if done == 4000 {
			cancel()
		}
	}
	if err := File(ctx, r); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v; expected a cancel", err)
	}
	if err := File(context.Background(), request(s, path)); err != nil {
		t.Fatal(err)
	}
	if got := s.asked()[1]; got != "bytes=4000-" {
		t.Errorf("the second call asked for %q", got)
	}
}

// TestStall has a server that falls silent: the client hangs up and asks again.
func TestStall(t *testing.T) {
	s := newSite(t, silent(3000), silent(0))
	path := filepath.Join(t.TempDir(), "m.pth")
	r := request(s, path)
	r.Stall, r.Tries = 200*time.Millisecond, 1000
	checkResult(t, path, File(context.Background(), r), "")
	if n := len(s.asked()); n < 3 {
		t.Errorf("%d requests; expected three or more", n)
	}
}

func TestProgress(t *testing.T) {
	s := newSite(t)
	r := request(s, filepath.Join(t.TempDir(), "m.pth"))
	last, total := int64(-1), int64(0)
	r.Progress = func(done, all int64) {
		if done < last {
			t.Errorf("progress went back from %d to %d", last, done)
		}
		last, total = done, all
	}
	if err := File(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if n := int64(len(content)); last != n || total != n {
		t.Errorf("progress ended at %d of %d; expected %d", last, total, n)
	}
}

func TestOnlyOneDownload(t *testing.T) {
	s := newSite(t)
	r := request(s, filepath.Join(t.TempDir(), "m.pth"))
	d := &download{Request: r}
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	defer d.part.Close()
	if err := File(context.Background(), r); err == nil || !strings.Contains(err.Error(), "another download is running") {
		t.Errorf("error %v", err)
	}
}

func TestSecretsStayOut(t *testing.T) {
	for _, address := range []string{
		"http://user:s3cret@127.0.0.1:1/x?token=s3cret", "ftp://user:s3cret@host/x", "http://user:s3cret@%zz/", "http://[s3cret",
	} {
		err := File(context.Background(), Request{URL: address, Path: filepath.Join(t.TempDir(), "x"), SHA256: hash(nil), MaxBytes: 1, Tries: 1})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v", address, err)
		}
	}
}
