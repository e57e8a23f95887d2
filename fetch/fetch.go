// Package fetch downloads one file over HTTP: it resumes what was cut, checks size and hash, and puts the file in place
// in one step.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Request says what to download.
type Request struct {
	URL      string                  // http or https; a password in it never reaches an error
	Path     string                  // where the file goes; Path+".part" holds what has come so far
	SHA256   string                  // the file's hash, hexadecimal
	MaxBytes int64                   // a larger file is refused
	Progress func(done, total int64) // called while bytes arrive; total is -1 if the server does not say; may be nil
	Client   *http.Client            // nil: http.DefaultClient
	Stall    time.Duration           // a connection without a byte for so long is cut and tried again; 0: 30 s
	Tries    int                     // attempts in a row that bring no byte before giving up; 0: 4
	Pause    time.Duration           // before the second attempt, doubled with each; 0: 1 s
}

func (r *Request) setDefaults() error {
	u, err := url.Parse(r.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("not an http or https address")
	}
	r.SHA256 = strings.ToLower(r.SHA256)
	if len(r.SHA256) != 2*sha256.Size || r.MaxBytes <= 0 || r.Path == "" {
		return errors.New("needs a path, a SHA-256 and a size limit")
	}
	if r.Progress == nil {
		r.Progress = func(int64, int64) {}
	}
	if r.Client == nil {
		r.Client = http.DefaultClient
	}
	if r.Stall == 0 {
		r.Stall = 30 * time.Second
	}
	if r.Tries == 0 {
		r.Tries = 4
	}
	if r.Pause == 0 {
		r.Pause = time.Second
	}
	return nil
}

// File downloads r.URL to r.Path. A download that failed is resumed by the next call; a file that does not have the hash
// is thrown away. The error is one line.
func File(ctx context.Context, r Request) error {
	if err := r.setDefaults(); err != nil {
		return fmt.Errorf("download %s: %w", Redacted(r.URL), err)
	}
	d := &download{Request: r}
	if err := d.run(ctx); err != nil {
		return fmt.Errorf("download %s: %w", Redacted(r.URL), err)
	}
	return nil
}

// Redacted is an address without user, password and query.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(unreadable address)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// errFinal marks what another attempt would not mend.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

type download struct {
	Request
	part    *os.File
	resumed bool // part began with bytes of an earlier call
}

func (d *download) run(ctx context.Context) error {
	if err := d.open(); err != nil {
		return err
	}
	defer d.part.Close()
	for {
		if err := d.retrying(ctx); err != nil {
			return err
		}
		err := d.verify()
		if err == nil {
			return d.install()
		}
		if terr := d.part.Truncate(0); terr != nil {
			return terr
		}
		if !d.resumed {
			_ = os.Remove(d.part.Name())
			return err
		}
		d.resumed = false // the old part may have been of another file: once more from the start
	}
}

// open takes the part file for this process alone.
func (d *download) open() error {
	if err := os.MkdirAll(filepath.Dir(d.Path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(d.Path+".part", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("%s is in use: another download is running", f.Name())
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	d.part, d.resumed = f, st.Size() > 0
	return nil
}

// retrying attempts until the part is complete, an error is final, or attempts in a row brought nothing.
func (d *download) retrying(ctx context.Context) error {
	pause := d.Pause
	for failed := 0; ; {
		before, err := d.size()
		if err != nil {
			return err
		}
		err = d.attempt(ctx, before)
		if err == nil {
			return nil
		}
		var final errFinal
		if errors.As(err, &final) || ctx.Err() != nil {
			return err
		}
		after, serr := d.size()
		if serr != nil {
			return serr
		}
		if after > before {
			failed, pause = 0, d.Pause
		}
		if failed++; failed >= d.Tries {
			return fmt.Errorf("%w (%d attempts)", err, d.Tries)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *download) size() (int64, error) { return d.part.Seek(0, io.SeekEnd) }

// verify compares the part with the hash.
func (d *download) verify() error {
	if _, err := d.part.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, d.part); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != d.SHA256 {
		return fmt.Errorf("the file has SHA-256 %s; expected %s", got, d.SHA256)
	}
	return nil
}

// install puts the complete part in place, so that a crash leaves the old file or the new one.
func (d *download) install() error {
	if err := d.part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(d.part.Name(), d.Path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(d.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
