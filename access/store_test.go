package access

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const good = "correct horse" // a password

func testStore(t *testing.T) *Store {
	t.Helper()
	return OpenStore(filepath.Join(t.TempDir(), "state"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cheap is a hash of good that takes no time. The tests of hashes are in password_test.go.
var cheap = sync.OnceValues(func() (string, error) {
	p := phc{memory: 8, passes: 1, lanes: 1, salt: []byte("saltsalt")}
	var err error
	p.hash, err = p.derive(context.Background(), good, hashBytes)
	return p.String(), err
})

func addUser(t *testing.T, s *Store, name string, role Role) {
	t.Helper()
	hash, err := cheap()
	must(t, err)
	key, err := newID()
	must(t, err)
	_, _, err = s.edit(context.Background(), func(b *book) error {
		return b.addUser(User{Name: name, Role: role, Password: hash, Key: key, Created: time.Now()})
	})
	must(t, err)
}

func TestUsersAndTokens(t *testing.T) {
	ctx, s := context.Background(), testStore(t)
	must(t, s.AddUser(ctx, "anna", Admin, good))
	addUser(t, s, "ben", Viewer)
	secret, err := s.AddToken(ctx, "home", Viewer, time.Time{})
	must(t, err)
	if !strings.HasPrefix(secret, TokenPrefix) || len(secret) != len(TokenPrefix)+43 {
		t.Errorf("token %q", secret)
	}
	for _, row := range []struct {
		name string
		do   func() error
		want string
	}{
		{"user twice", func() error { return s.AddUser(ctx, "ben", Viewer, good) }, "exists already"},
		{"capital name", func() error { return s.AddUser(ctx, "Ben", Viewer, good) }, "use 1 to 32 of"},
		{"name with a slash", func() error { return s.AddUser(ctx, "../x", Viewer, good) }, "use 1 to 32 of"},
		{"no name", func() error { return s.AddUser(ctx, "", Viewer, good) }, "use 1 to 32 of"},
		{"no such role", func() error { return s.AddUser(ctx, "carl", "root", good) }, "the roles are"},
		{"short password", func() error { return s.AddUser(ctx, "carl", Viewer, "1234567") }, "too short"},
		{"the name as password", func() error { return s.AddUser(ctx, "carlcarl", Viewer, "CarlCarl") }, "user's name"},
		{"control character", func() error { return s.AddUser(ctx, "carl", Viewer, "12345678\x00") }, "control character"},
		{"password too long", func() error { return s.AddUser(ctx, "carl", Viewer, strings.Repeat("x", 1025)) }, "too long"},
		{"password of a stranger", func() error { return s.SetPassword(ctx, "carl", good) }, `no user "carl"`},
		{"role of a stranger", func() error { return s.SetRole(ctx, "carl", Admin) }, `no user "carl"`},
		{"no such role for a user", func() error { return s.SetRole(ctx, "ben", "boss") }, "the roles are"},
		{"last admin removed", func() error { return s.RemoveUser(ctx, "anna") }, "last admin"},
		{"last admin made viewer", func() error { return s.SetRole(ctx, "anna", Viewer) }, "last admin"},
		{"token twice", func() error { _, err := s.AddToken(ctx, "home", Viewer, time.Time{}); return err }, "exists already"},
		{"no such token", func() error { return s.RevokeToken(ctx, "none") }, `no token "none"`},
		{"a stranger logged out", func() error { return s.LogOut(ctx, "carl") }, `no user "carl"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.do(); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, row.want)
			}
		})
	}
	must(t, s.SetRole(ctx, "ben", Admin))
	must(t, s.RemoveUser(ctx, "anna"))
	must(t, s.RevokeToken(ctx, "home"))
	users, err := s.Users()
	must(t, err)
	tokens, err := s.Tokens()
	must(t, err)
	if len(users) != 1 || users[0].Name != "ben" || users[0].Role != Admin || len(tokens) != 0 {
		t.Errorf("left are %+v and %+v", users, tokens)
	}
}

func TestFilesAreForTheOwnerOnlyAndHoldNoSecret(t *testing.T) {
	ctx, s := context.Background(), testStore(t)
	addUser(t, s, "anna", Admin)
	secret, err := s.AddToken(ctx, "home", Viewer, time.Time{})
	must(t, err)
	entries, err := os.ReadDir(s.dir)
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", e.Name(), info.Mode())
		}
		data, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
		must(t, err)
		for _, word := range []string{good, secret, strings.TrimPrefix(secret, TokenPrefix)} {
			if strings.Contains(string(data), word) {
				t.Errorf("%s holds a secret", e.Name())
			}
		}
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
}

// Several processes write at once: each opens the lock file for itself, as these stores do.
func TestNothingIsLostBetweenWriters(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := OpenStore(dir)
			for j := range 4 {
				if _, err := s.AddToken(context.Background(), fmt.Sprintf("t%d-%d", i, j), Viewer, time.Time{}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	tokens, err := OpenStore(dir).Tokens()
	must(t, err)
	if len(tokens) != 32 {
		t.Errorf("%d tokens of 32", len(tokens))
	}
}

// What a power cut, a bad disk or an editor leaves is one clear line, and nobody gets in.
func TestFaultyFiles(t *testing.T) {
	s := testStore(t)
	addUser(t, s, "anna", Admin)
	whole, err := os.ReadFile(s.path(usersFile))
	must(t, err)
	edit := func(old, new string) []byte { return []byte(strings.Replace(string(whole), old, new, 1)) }
	for _, row := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "is empty"},
		{"noughts", make([]byte, 512), "cannot be read"},
		{"half", whole[:len(whole)/2], "ends too early"},
		{"all but the last bracket", whole[:len(whole)-3], "ends too early"},
		{"garbage", []byte("\x89PNG\r\n"), "fault at byte"},
		{"text behind", append(append([]byte{}, whole...), "{}"...), "goes on"},
		{"a later version", edit(`"version": 1`, `"version": 2`), "knows version 1"},
		{"another role", edit(`"admin"`, `"boss"`), "the roles are"},
		{"no hash", edit(`$argon2id`, `$argon2i`), "no argon2id hash"},
		{"unknown field", edit(`"role"`, `"rule"`), "cannot be read"},
		{"a list", []byte("[]"), "wrong type"},
		{"no key", edit(`"key"`, `"created"`), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			must(t, os.WriteFile(s.path(usersFile), row.data, 0o600))
			_, err := newTestKeeper(s.dir, newClock())
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), usersFile) {
				t.Errorf("error %v, want one line with %q", err, row.want)
			}
			if err := s.AddUser(context.Background(), "ben", Viewer, good); err == nil {
				t.Error("the file was written over")
			}
			if _, err := s.FirstAdmin(context.Background(), true); err == nil {
				t.Error("a faulty file made a new admin")
			}
			if got, _ := os.ReadFile(s.path(usersFile)); string(got) != string(row.data) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestAWriteThatFailsLeavesTheOldFile(t *testing.T) {
	s := testStore(t)
	addUser(t, s, "anna", Admin)
	must(t, os.Mkdir(s.path(usersFile+".new"), 0o700)) // in the way of the new file
	if err := s.AddUser(context.Background(), "ben", Viewer, good); err == nil {
		t.Error("written in spite of it")
	}
	users, err := s.Users()
	if err != nil || len(users) != 1 {
		t.Errorf("users %v, %v", users, err)
	}
	must(t, os.Remove(s.path(usersFile+".new")))
	addUser(t, s, "ben", Viewer)
}

func TestFirstAdmin(t *testing.T) {
	ctx, s := context.Background(), testStore(t)
	password, err := s.FirstAdmin(ctx, true)
	must(t, err)
	if n := len(strings.ReplaceAll(password, "-", "")); n != 16 {
		t.Errorf("a password of %d characters", n)
	}
	written, err := os.ReadFile(s.InitialFile())
	if err != nil || string(written) != password+"\n" {
		t.Errorf("the file says %q, %v", written, err)
	}
	if again, err := s.FirstAdmin(ctx, true); again != "" || err != nil {
		t.Errorf("made again: %v", err)
	}
	k, err := newTestKeeper(s.dir, newClock())
	must(t, err)
	if !k.Initial() {
		t.Error("it is not known to be the first password")
	}
	if _, g, err := k.Login(ctx, home1, "Admin ", password); err != nil || g.Role != Admin || !g.Initial {
		t.Fatalf("log in: %v", err)
	}
	must(t, s.SetPassword(ctx, "admin", good))
	if _, err := os.Stat(s.InitialFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	k.look(ctx)
	if k.Initial() {
		t.Error("the changed password passes for the first one")
	}
}

// A power cut between the two files leaves a password that nobody has: the next start makes another.
func TestFirstAdminAfterAPowerCut(t *testing.T) {
	ctx, s := context.Background(), testStore(t)
	must(t, os.MkdirAll(s.dir, 0o700))
	must(t, os.WriteFile(s.InitialFile(), []byte("old\n"), 0o600))
	password, err := s.FirstAdmin(ctx, true)
	must(t, err)
	written, _ := os.ReadFile(s.InitialFile())
	if string(written) != password+"\n" {
		t.Errorf("the file says %q", written)
	}
	// And one after the change, before the file was removed.
	must(t, s.SetPassword(ctx, "admin", good))
	must(t, os.WriteFile(s.InitialFile(), []byte(password), 0o600))
	_, err = newTestKeeper(s.dir, newClock())
	must(t, err)
	if _, err := os.Stat(s.InitialFile()); err == nil {
		t.Error("the stale file is still there")
	}
}
