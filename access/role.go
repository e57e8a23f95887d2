// Package access is who may use the daemon: users with passwords and sessions, tokens for programs, and what each may do.
package access

import (
	"fmt"
	"regexp"
	"strings"
)

// Role is what somebody may do.
type Role string

const (
	Viewer Role = "viewer" // watches, and reads what there is to read
	Admin  Role = "admin"  // also changes what the daemon does
)

// Roles are all there are, the least first.
var Roles = []Role{Viewer, Admin}

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case Viewer, Admin:
		return r, nil
	}
	return "", fmt.Errorf("role %q: the roles are viewer and admin", short(s))
}

// May says whether this role may do what needs that one.
func (r Role) May(needed Role) bool {
	return r == Admin && (needed == Admin || needed == Viewer) || r == Viewer && needed == Viewer
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// checkName checks the name of a user or a token; what says which.
func checkName(what, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%s %q: use 1 to 32 of a-z, 0-9, point, _ and -, beginning with a letter or digit", what, short(name))
	}
	return nil
}

// plainName is a user's name as people type it: phones begin with a capital and end with a space.
func plainName(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// short cuts a text from outside for a message.
func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
