package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/access"
	"yfv2d/cmd/yfv2d/config"
)

// runWith runs a command line with words on its standard input.
func runWith(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	root, started := newRootCmd(), false
	finish(root, &started)
	var out, errs bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	err := root.ExecuteContext(context.Background())
	if err != nil && !started {
		err = exitError{exitUsage, err}
	}
	report(&errs, err)
	return exitCode(err), out.String(), errs.String()
}

func TestUserAndTokenCommands(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	const password = "correct horse"
	for _, row := range []struct {
		name, line, stdin string
		code              int
		stdout, stderr    string // what they contain
	}{
		{"no users", "user list", "", exitOK, "", "no users yet"},
		{"no tokens", "token list", "", exitOK, "", "no tokens"},
		{"add", "user add anna --role admin --stdin", password + "\n", exitOK, "user anna added, role admin", ""},
		{"add a viewer", "user add ben --stdin", password, exitOK, "user ben added, role viewer", ""},
		{"twice", "user add ben --stdin", password, exitFailed, "", "exists already"},
		{"short", "user add carl --stdin", "x\n", exitFailed, "", "too short"},
		{"no terminal", "user add carl", password, exitUsage, "", "--stdin"},
		{"bad role", "user add carl --role boss --stdin", password, exitUsage, "", "viewer and admin"},
		{"no name", "user add", "", exitUsage, "", "arg"},
		{"list", "user list", "", exitOK, "ben   viewer", ""},
		{"passwd", "user passwd ben --stdin", "another one\n", exitOK, "password of ben changed", ""},
		{"passwd of a stranger", "user passwd carl --stdin", password, exitFailed, "", "no user"},
		{"role", "user role ben admin", "", exitOK, "user ben has the role admin", ""},
		{"role back", "user role ben viewer", "", exitOK, "role viewer", ""},
		{"role of the last admin", "user role anna viewer", "", exitFailed, "", "last admin"},
		{"remove the last admin", "user remove anna", "", exitFailed, "", "last admin"},
		{"log out", "user logout ben", "", exitOK, "every session of ben", ""},
		{"remove", "user remove ben", "", exitOK, "user ben removed", ""},
		{"token", "token add home --expires 90d", "", exitOK, access.TokenPrefix, "not shown again"},
		{"token twice", "token add home", "", exitFailed, "", "exists already"},
		{"token of yesterday", "token add old --expires 2020-01-01", "", exitUsage, "", "not in the time to come"},
		{"token of never", "token add old --expires soon", "", exitUsage, "", "use never"},
		{"token list", "token list", "", exitOK, "home  viewer", ""},
		{"revoke", "token revoke home", "", exitOK, "token home revoked", ""},
		{"revoke again", "token revoke home", "", exitFailed, "", "no token"},
		{"misspelt", "user remov ben", "", exitUsage, "", "did you mean remove"},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := runWith(t, row.stdin, strings.Fields(row.line)...)
			if code != row.code || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) {
				t.Errorf("exit code %d, want %d\n%s%s", code, row.code, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, password) {
				t.Error("the password is shown")
			}
		})
	}
}

// loginDaemon is a daemon on loopback that asks for a login.
func loginDaemon(t *testing.T, cameras string, log zerolog.Logger) (*daemon, string) {
	t.Helper()
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	path := filepath.Join(t.TempDir(), "config.toml")
	text := "[server]\nlisten = [\"127.0.0.1:0\"]\nauth = \"on\"\n[webrtc]\nport = 0\n\n" + cameras
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() (*config.Config, error) { return loadConfig(path, configHooks()) }
	cfg, err := read()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, read, log)
	if err != nil {
		t.Fatal(err)
	}
	return d, state
}

func TestFirstStartMakesAnAdmin(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		t.Run(fmt.Sprintf("terminal %v", terminal), func(t *testing.T) {
			var log, screen bytes.Buffer
			d, state := loginDaemon(t, "", zerolog.New(zerolog.SyncWriter(&log)))
			if terminal {
				d.terminal = &screen
			}
			s := serveDaemon(t, d)
			file := filepath.Join(state, "initial-password")
			written, err := os.ReadFile(file)
			var password string
			if terminal {
				if err == nil {
					t.Error("the password is in a file, though it was printed")
				}
				for _, word := range strings.Fields(screen.String()) {
					if strings.Count(word, "-") == 3 {
						password = word
					}
				}
			} else {
				if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
					t.Fatalf("%v, %v", info, err)
				}
				password = strings.TrimSpace(string(written))
			}
			if code := postLogin(t, s.url, "admin", password); code != http.StatusOK {
				t.Errorf("log in with %q: %d", password, code)
			}
			if code, _, stderr := runWith(t, "a password of my own", "user", "passwd", "admin", "--stdin"); code != exitOK {
				t.Errorf("change it: %s", stderr)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("the file is there after the change")
			}
			waitUntil(t, "the daemon knows the new password", func() bool {
				return postLogin(t, s.url, "admin", "a password of my own") == http.StatusOK
			})
			s.stop()
			if strings.Contains(log.String(), password) {
				t.Error("the log holds the password")
			}
		})
	}
}

func postLogin(t *testing.T, url, name, password string) int {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"name": name, "password": password})
	res, err := http.Post(url+"api/login", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// A damaged file of users lets nobody in and ends the start with one line, for good.
func TestDamagedUsersEndTheStart(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	if err := os.WriteFile(filepath.Join(state, "users.json"), []byte(`{"version":1,"us`), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte("[server]\nlisten = \"127.0.0.1:0\"\nauth = \"on\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runCLI(t, "run", "-c", path)
	if code != exitConfig || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "users.json") || !strings.Contains(stderr, "ends too early") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// The state directory of a service belongs to its user: what root writes there, the service can read.
func TestRootsFilesBelongToTheService(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	owner := os.Geteuid() // who is not root makes files of one's own, in a directory of one's own
	if owner == 0 {
		owner = 65534 // nobody
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := runWith(t, "correct horse", "user", "add", "anna", "--role", "admin", "--stdin", "--dir", dir); code != exitOK {
		t.Fatal(stderr)
	}
	out, err := exec.Command("find", dir, "-type", "f", "-printf", "%f %U %m\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if !strings.HasSuffix(line, fmt.Sprintf(" %d 600", owner)) {
			t.Errorf("%s", line)
		}
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"never": {}, "12h": now.Add(12 * time.Hour), "30d": now.AddDate(0, 0, 30), "2027-01-31": time.Date(2027, 1, 31, 0, 0, 0, 0, time.Local).UTC(),
	} {
		if got, err := parseExpiry(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"x", "-1h", "0d", "2026-13-01", "1e9d", "2026-05-01"} {
		if got, err := parseExpiry(s, now); err == nil {
			t.Errorf("%s: %v", s, got)
		}
	}
}
