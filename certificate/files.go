package certificate

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"time"
)

// lookEvery is how often files are looked at, when handshakes ask: a renewal is seen by the first viewer after so long.
const lookEvery = 2 * time.Second

// files is a certificate and its key in two files (or one) that somebody else renews. One goroutine at a time uses it.
type files struct {
	cert, key string
	told      func(Info, error)
	now       func() time.Time

	next   time.Time
	seen   [2]os.FileInfo // of what was read last
	failed bool           // and that could not be used, which was told
}

// Files opens the certificate (with those of its signers behind it) and the key in two files in PEM. They are looked at again
// when they change; as long as what they hold does not fit together, as in the middle of a renewal, the last pair that did is
// used. told hears of each change: the new certificate, or once why there is none. It is called from any goroutine.
func Files(cert, key string, told func(Info, error)) (*Keeper, error) {
	f := &files{cert: cert, key: key, told: told, now: time.Now}
	seen, err := f.stat()
	if err != nil {
		return nil, err
	}
	first, err := f.load()
	if err != nil {
		return nil, err
	}
	f.seen = seen
	k := &Keeper{files: f}
	k.current.Store(first)
	return k, nil
}

// stat follows links: renewals by certbot change where a link leads.
func (f *files) stat() (seen [2]os.FileInfo, err error) {
	for i, path := range []string{f.cert, f.key} {
		if seen[i], err = os.Stat(path); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

func (f *files) load() (*held, error) {
	cert, err := load(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	return hold(cert, false)
}

// changed is the pair if it is another than before and fits together, else nil.
func (f *files) changed() *held {
	now := f.now()
	if now.Before(f.next) {
		return nil
	}
	f.next = now.Add(lookEvery)
	seen, err := f.stat()
	if err == nil {
		if !f.failed && same(seen, f.seen) {
			return nil
		}
		var h *held
		if h, err = f.load(); err == nil {
			again := f.failed && same(seen, f.seen)
			f.seen, f.failed = seen, false
			if !again {
				f.told(h.info, nil)
			}
			return h
		}
	}
	if !f.failed {
		f.told(Info{}, fmt.Errorf("%w; the certificate of before stays in use", err))
	}
	f.failed = true // seen stays: it is the last that fitted
	return nil
}

func same(a, b [2]os.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}

// load reads a pair that fits together.
func load(cert, key string) (tls.Certificate, error) {
	c, err := read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	k := c
	if key != cert {
		if k, err = read(key); err != nil {
			return tls.Certificate{}, err
		}
	}
	pair, err := tls.X509KeyPair(c, k)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	return pair, nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than %d kB", path, maxFile>>10)
	}
	return b, err
}

// Check says what is wrong with a certificate and its key in two files; nil if they can be used.
func Check(cert, key string) error {
	_, err := load(cert, key)
	return err
}
