package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

var errStalled = errors.New("no data arrived for too long")

// attempt makes one request for what is missing from byte have on, and appends what comes. nil means complete.
func (d *download) attempt(ctx context.Context, have int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.Stall, func() { cancel(errStalled) })
	defer stall.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return errFinal{errors.New("not an http or https address")}
	}
	req.Header.Set("Accept-Encoding", "identity") // ranges count the file's own bytes
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := d.Client.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	at, total, err := d.begin(resp, have)
	if err != nil || at == total {
		return err
	}
	return d.receive(ctx, resp.Body, stall, at, total)
}

// begin checks the answer and says at which byte its body begins and how long the whole file is (-1: not said).
func (d *download) begin(resp *http.Response, have int64) (at, total int64, err error) {
	total = -1
	switch {
	case resp.StatusCode == http.StatusOK: // the server sends all, whether asked for a part or not
		total = resp.ContentLength
	case resp.StatusCode == http.StatusPartialContent:
		if n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &at); n != 1 || at != have {
			return 0, 0, d.restart(errors.New("the server sent another part of the file than was asked for"))
		}
		if resp.ContentLength >= 0 {
			total = at + resp.ContentLength
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		var size int64
		if n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes */%d", &size); n == 1 && size == have {
			return have, have, nil // nothing is missing
		}
		return 0, 0, d.restart(errors.New("the server has no such part of the file"))
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return 0, 0, fmt.Errorf("the server answered %s", resp.Status)
	default:
		return 0, 0, errFinal{fmt.Errorf("the server answered %s", resp.Status)}
	}
	if total > d.MaxBytes {
		return 0, 0, errFinal{fmt.Errorf("the file has %d bytes; expected at most %d", total, d.MaxBytes)}
	}
	if err := d.part.Truncate(at); err != nil {
		return 0, 0, errFinal{err}
	}
	_, err = d.part.Seek(at, io.SeekStart)
	return at, total, err
}

// restart empties the part, so that the next attempt begins at the start.
func (d *download) restart(why error) error {
	if err := d.part.Truncate(0); err != nil {
		return errFinal{err}
	}
	d.resumed = false
	return why
}

func (d *download) receive(ctx context.Context, body io.Reader, stall *time.Timer, at, total int64) error {
	buf := make([]byte, 64<<10)
	for {
		d.Progress(at, total)
		n, err := body.Read(buf)
		if n > 0 {
			stall.Reset(d.Stall)
			if at += int64(n); at > d.MaxBytes {
				return errFinal{fmt.Errorf("the file has more than %d bytes", d.MaxBytes)}
			}
			if _, werr := d.part.Write(buf[:n]); werr != nil {
				return errFinal{werr}
			}
		}
		switch {
		case errors.Is(err, io.EOF) && (total < 0 || at == total):
			d.Progress(at, at)
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the connection ended at byte %d of %d", at, total)
		case err != nil:
			return cause(ctx, err)
		}
	}
}

// cause is why ctx ended, if it did, and else err without the address, which may hold a secret.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
