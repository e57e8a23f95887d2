package yfv2d_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every module that ends up in the binary is named in THIRD_PARTY_NOTICES, and none that does not.
func TestNoticesNameEveryLinkedModule(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/yfv2d").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	text, err := os.ReadFile("THIRD_PARTY_NOTICES")
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for _, m := range strings.Fields(string(out)) {
		linked[m] = true
	}
	if len(linked) < 10 {
		t.Fatalf("go list names only %d modules", len(linked))
	}
	noted := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "|" && strings.Contains(f[1], "/") {
			noted[f[1]] = true
		}
	}
	for m := range linked {
		if !noted[m] {
			t.Errorf("%s is linked into the binary and not named in THIRD_PARTY_NOTICES", m)
		}
	}
	for m := range noted {
		if !linked[m] {
			t.Errorf("THIRD_PARTY_NOTICES names %s, which is not linked", m)
		}
	}
}
