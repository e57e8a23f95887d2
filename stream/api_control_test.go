package stream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"yfv2d/pipeline"
)

func TestRetry(t *testing.T) {
	s, asked := testServer(t), 0
	set := s.cameras.Load()
	set.byName["yard"].Retry = func() bool { asked++; return true }
	h := s.Handler()
	for _, row := range []struct {
		name, method, camera string
		status               int
		says                 string
	}{
		{"a camera that is down", "POST", "yard", http.StatusAccepted, `{"retrying":true,"state":"retrying"}`},
		{"a camera that cannot", "POST", "door", http.StatusAccepted, `{"retrying":false,"state":"live"}`},
		{"no such camera", "POST", "cellar", http.StatusNotFound, "the cameras are: door, yard, new_1"},
		{"only asked", "GET", "yard", http.StatusMethodNotAllowed, "use POST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := do(h, row.method, "/api/cameras/"+row.camera+"/retry")
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.says) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, row.status, row.says)
			}
		})
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
}

func TestReload(t *testing.T) {
	s := testServer(t)
	h := s.Handler()
	if w := do(h, "POST", "/api/reload"); w.Code != http.StatusNotFound {
		t.Errorf("without a file: %d %s", w.Code, w.Body)
	}
	s.cfg.Reload = func(context.Context) (Reloaded, error) {
		return Reloaded{}, errors.New("config.toml:3: detect.fps: 700 is out of range")
	}
	if w := do(h, "POST", "/api/reload"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "config.toml:3") {
		t.Errorf("a faulty file: %d %s", w.Code, w.Body)
	}
	s.cfg.Reload = func(context.Context) (Reloaded, error) {
		err := s.SetCameras([]Camera{{Name: "gate", Stats: func() pipeline.Stats { return pipeline.Stats{} }}})
		return Reloaded{Added: []string{"gate"}, Removed: []string{"door", "yard", "new_1"}}, err
	}
	w := do(h, "POST", "/api/reload")
	var got Reloaded
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.Removed) != 3 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(h, "GET", "/api/cameras/gate"); w.Code != http.StatusOK {
		t.Errorf("the new camera: %d %s", w.Code, w.Body)
	}
	if w := do(h, "GET", "/api/cameras/door"); w.Code != http.StatusNotFound {
		t.Errorf("a camera that went: %d", w.Code)
	}
	if err := s.SetCameras([]Camera{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("two cameras of one name were taken")
	}
}
