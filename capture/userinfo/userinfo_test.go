package userinfo_test

import (
	"testing"

	"yfv2d/capture/userinfo"
)

func TestEnd(t *testing.T) {
	for _, row := range []struct {
		name, address string
		login         string // what stands before the @; "-" if there is none
	}{
		{"nobody", "cam/stream", "-"},
		{"empty", "", "-"},
		{"user and password", "admin:secret@cam/stream", "admin:secret"},
		{"only a user", "admin@cam", "admin"},
		{"an @ in the password", "admin:s@cret@cam/stream", "admin:s@cret"},
		{"a slash in the password", "admin:s/cret@cam/stream", "admin:s/cret"},
		{"an @ in the path", "cam/user@home", "-"},
		{"an @ in the query", "cam?mail=a@b", "-"},
		{"a port, and an @ in the path: taken for a password", "cam:554/a@b", "cam:554/a"},
		{"nothing before it", "@cam", ""},
	} {
		got := "-"
		if i := userinfo.End(row.address); i >= 0 {
			got = row.address[:i]
		}
		if got != row.login {
			t.Errorf("%s: %q, want %q", row.name, got, row.login)
		}
	}
}
