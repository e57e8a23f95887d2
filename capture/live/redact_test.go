package live

import (
	"strings"
	"testing"
)

func TestHidden(t *testing.T) {
	Hide(map[string]string{`pa"ss w@rd`: "${cred:a}", "pass-longer": "${cred:b}", "pass": "${cred:c}", "": "${cred:none}"})
	for _, tt := range []struct{ name, text, want string }{
		{"nothing to hide", "camera is down", "camera is down"},
		{"plain", `is pa"ss w@rd.`, "is ${cred:a}."},
		{"quoted", `"pa\"ss w@rd"`, `"${cred:a}"`},
		{"quoted twice", `"reason":"source \"pa\\\"ss w@rd\""`, `"reason":"source \"${cred:a}\""`},
		{"percent-encoded", "/pa%22ss%20w%40rd/", "/${cred:a}/"},
		{"in a query", "x=pa%22ss+w%40rd", "x=${cred:a}"},
		{"one that another begins with", "pass-longer pass", "${cred:b} ${cred:c}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Hidden(tt.text); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := Redact(tt.text); strings.Contains(got, "pa\"") {
				t.Errorf("Redact shows %s", got)
			}
		})
	}
	Hide(nil)
	if got := Hidden("pass"); got != "${cred:c}" {
		t.Errorf("what was hidden shows again: %s", got)
	}
}
