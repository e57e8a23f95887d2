package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// FuzzPing: what is taken is what was meant.
func FuzzPing(f *testing.F) {
	for _, s := range []string{`{"type":"ping","id":7}`, `{"type":"ping","id":-1}`, `{"TYPE":"ping","Id":1}`, `{"type":"ping","id":1e2}`, `[]`, "{\"type\":\"ping\",\"id\":1}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := parsePing(text)
		if err != nil {
			return
		}
		if id < 0 || id > maxPingID {
			t.Errorf("id %d", id)
		}
		if again, err := parsePing(fmt.Appendf(nil, `{"type":"ping","id":%d}`, id)); err != nil || again != id {
			t.Errorf("%q gives %d, then %d, %v", text, id, again, err)
		}
	})
}

// FuzzLiveNames: names are unique and not empty, or one line says what is wrong.
func FuzzLiveNames(f *testing.F) {
	for _, s := range []string{"", "cameras=a,b", "cameras=", "cameras=a&cameras=a", "cameras=%2c", "x;y", "cameras"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		names, err := liveNames(query)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if names != nil && len(names) == 0 {
			t.Errorf("%q asks for no camera", query)
		}
		slices.Sort(names)
		if slices.Contains(names, "") || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%q gives %q", query, names)
		}
	})
}
