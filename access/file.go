package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The files in the state directory. All are 0600; a file is replaced as a whole, so a power cut leaves the old or the new one.
const (
	usersFile    = "users.json"
	sessionsFile = "sessions.json"
	initialFile  = "initial-password"
	lockFile     = "access.lock"
)

const (
	lockLimit = 10 * time.Second // another process writes for milliseconds
	lockEvery = 20 * time.Millisecond
)

// Store is the files in one state directory. Several processes may change them at once.
type Store struct{ dir string }

// OpenStore is the store in that directory, which is made when something is written first.
func OpenStore(dir string) *Store { return &Store{dir: dir} }

// InitialFile is where a generated password is written.
func (s *Store) InitialFile() string { return filepath.Join(s.dir, initialFile) }

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// lock keeps other processes from writing until unlock is called.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	f, err := s.create(lockFile, 0)
	if err != nil {
		return nil, err
	}
	late := time.Now().Add(lockLimit)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil // which gives the lock back
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		case time.Now().After(late):
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: another yfv2d holds it for %v already; stop that one", f.Name(), lockLimit)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(lockEvery):
		}
	}
}

// create opens a file of ours for writing. What root makes belongs to whom the directory does: the daemon has to read what
// `sudo yfv2d user add` wrote.
func (s *Store) create(name string, flags int) (*os.File, error) {
	f, err := os.OpenFile(s.path(name), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if info, err := os.Stat(s.dir); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
				_ = f.Chown(int(st.Uid), int(st.Gid)) // not every file system has owners
			}
		}
	}
	return f, nil
}

// read gives a file's bytes; os.ErrNotExist if it is not there.
func (s *Store) read(name string) ([]byte, error) {
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return data, nil
}

// write replaces a file. The lock is held, so nobody else writes the new one.
func (s *Store) write(name string, data []byte) (err error) {
	fresh := name + ".new"
	f, err := s.create(fresh, os.O_TRUNC)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // may be closed already
			_ = os.Remove(s.path(fresh))
			err = fmt.Errorf("write %s: %w", s.path(name), err)
		}
	}()
	if err := f.Chmod(0o600); err != nil { // a leftover may have other rights
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.path(fresh), s.path(name)); err != nil {
		return err
	}
	return s.syncDir()
}

// syncDir makes a renaming or removal outlast a power cut.
func (s *Store) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// mark tells one version of a file from another.
type mark struct {
	ino, ctime, mtime, size int64
	there                   bool
}

func (s *Store) mark(name string) mark {
	var st unix.Stat_t
	if err := unix.Stat(s.path(name), &st); err != nil {
		return mark{}
	}
	return mark{int64(st.Ino), st.Ctim.Nano(), st.Mtim.Nano(), st.Size, true}
}

// DamagedError says that users.json cannot be understood: no other try mends that.
type DamagedError struct{ err error }

func (e *DamagedError) Error() string { return e.err.Error() }
func (e *DamagedError) Unwrap() error { return e.err }

// book reads users.json. Without the file there are no users.
func (s *Store) book() (book, error) {
	data, err := s.read(usersFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return book{}, nil
	case err != nil:
		return book{}, err
	}
	b, err := parseBook(data)
	if err != nil {
		return book{}, &DamagedError{fmt.Errorf("%s %w; put a backup in its place, or move it away: the next start then makes a new admin", s.path(usersFile), err)}
	}
	return b, nil
}

// edit changes users.json under the lock: it reads what is there now, so nothing that another process wrote is lost.
func (s *Store) edit(ctx context.Context, change func(*book) error) (book, mark, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return book{}, mark{}, err
	}
	defer unlock()
	b, err := s.book()
	if err != nil {
		return book{}, mark{}, err
	}
	b.Version = bookVersion
	if b.Instance == "" {
		if b.Instance, err = newID(); err != nil {
			return book{}, mark{}, err
		}
	}
	if err := change(&b); err != nil {
		return book{}, mark{}, err
	}
	if err := b.check(); err != nil {
		return book{}, mark{}, err
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return book{}, mark{}, err
	}
	if err := s.write(usersFile, append(data, '\n')); err != nil {
		return book{}, mark{}, err
	}
	s.tidy(b)
	return b, s.mark(usersFile), nil
}

// tidy removes the file with the generated password once nobody has that password any more.
func (s *Store) tidy(b book) {
	if b.initial() {
		return
	}
	if os.Remove(s.InitialFile()) == nil {
		_ = s.syncDir() // it is tried again at the next start
	}
}
