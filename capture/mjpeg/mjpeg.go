// Package mjpeg finds JPEG pictures in a stream of bytes that holds them one after another, with anything between them:
// multipart headers, wrong lengths, junk. It trusts only the JPEG markers.
package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// ErrTooLarge is the error for a picture that is larger than the scanner's bound.
var ErrTooLarge = errors.New("a picture without end")

const (
	firstBuffer = 64 << 10
	readAtLeast = 16 << 10
	leadBytes   = 512 // of the stream's start, kept for the error that says what it is
)

// Picture is one JPEG file. Data is the caller's, and At the time when its first byte was read.
type Picture struct {
	Data []byte
	At   time.Time
	// Cut says that the picture has no end: its sender left off in the middle, or leaves out the marker.
	Cut bool
}

// Scanner reads pictures from a stream. It belongs to one goroutine.
type Scanner struct {
	r     io.Reader
	max   int
	delim []byte

	buf    []byte // from the present picture's first byte, or from where one is looked for
	lead   []byte
	junk   int // bytes passed since the last picture
	came   time.Time
	found  time.Time // when the present picture's first byte came
	inside bool      // buf begins with a picture
	walk   walker
}

// New makes a scanner for pictures of at most max bytes. delim is text that never stands in a picture but may follow one, such as
// a multipart boundary; it may be empty.
func New(r io.Reader, max int, delim string) *Scanner {
	return &Scanner{r: r, max: max, delim: []byte(delim), buf: make([]byte, 0, min(firstBuffer, max+readAtLeast))}
}

// Next reads the next picture. It returns the reader's error when that ends, an error around ErrTooLarge, or one that says what
// comes instead of pictures.
func (s *Scanner) Next() (Picture, error) {
	for {
		if p, ok := s.scan(); ok {
			s.junk = 0
			return p, nil
		}
		if len(s.buf) > s.max {
			return Picture{}, fmt.Errorf("%w after %d MiB", ErrTooLarge, s.max>>20)
		}
		if s.junk > s.max {
			return Picture{}, s.nothing()
		}
		if err := s.fill(); err != nil {
			return Picture{}, err
		}
	}
}

// fill reads what there is.
func (s *Scanner) fill() error {
	if cap(s.buf)-len(s.buf) < readAtLeast {
		grown := make([]byte, len(s.buf), min(2*cap(s.buf), s.max)+2*readAtLeast)
		copy(grown, s.buf)
		s.buf = grown
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	if n > 0 {
		s.came = time.Now()
		if room := leadBytes - len(s.lead); room > 0 {
			s.lead = append(s.lead, s.buf[len(s.buf):][:min(n, room)]...)
		}
		s.buf = s.buf[:len(s.buf)+n]
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

var start = []byte{0xff, soi, 0xff}

// scan looks for a whole picture in buf.
func (s *Scanner) scan() (Picture, bool) {
	for {
		if !s.inside && !s.seek() {
			return Picture{}, false
		}
		end, v := s.walk.walk(s.buf)
		switch v {
		case more:
			return Picture{}, false
		case junk:
			s.junk += end
			s.drop(end)
			continue
		}
		data := s.buf[:end]
		p := Picture{At: s.found, Cut: !bytes.HasSuffix(data, []byte{0xff, eoi})}
		if p.Cut {
			data = s.trim(data)
		}
		p.Data = bytes.Clone(data)
		s.drop(end)
		return p, true
	}
}

// trim takes away what came between a picture without end and the next one.
func (s *Scanner) trim(data []byte) []byte {
	if len(s.delim) == 0 {
		return data
	}
	if i := bytes.LastIndex(data, s.delim); i > 0 {
		return bytes.TrimRight(data[:i], "\r\n")
	}
	return data
}

// seek moves buf to the next picture's first byte.
func (s *Scanner) seek() bool {
	i := bytes.Index(s.buf, start)
	if i < 0 {
		i = max(0, len(s.buf)-len(start)+1)
		s.junk += i
		s.drop(i)
		return false
	}
	s.junk += i
	s.drop(i)
	s.inside, s.found, s.walk = true, s.came, walker{pos: 2}
	return true
}

// drop forgets the first n bytes, and that a picture begins there.
func (s *Scanner) drop(n int) {
	s.inside = false
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
}

var partType = regexp.MustCompile(`(?i)content-type:[ \t]*([!-~]+)`)

// nothing says what the stream holds instead of pictures.
func (s *Scanner) nothing() error {
	what := ""
	if m := partType.FindSubmatch(s.lead); m != nil {
		what = fmt.Sprintf(" (its parts say that they are %.60q)", m[1])
	}
	return fmt.Errorf("no JPEG picture in %d MiB of data%s", s.max>>20, what)
}
