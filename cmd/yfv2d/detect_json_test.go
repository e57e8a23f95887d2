package main

import (
	"encoding/json"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

func TestDetectLineAlwaysHasLists(t *testing.T) {
	b, err := json.Marshal(newDetectLine(&result{input: "x"}, nil))
	if want := `{"input":"x","seq":0,"t":0,"width":0,"height":0,"detections":[],"tracks":[]}`; err != nil || string(b) != want {
		t.Errorf("empty line is %s, %v; want %s", b, err, want)
	}
}

func TestTrackJSON(t *testing.T) {
	start := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	car := tracker.Track{
		ID: 3, Detection: infer.Detection{Box: infer.Box{X0: 1, Y0: 2, X1: 3, Y1: 4.567}, Class: 1, Score: 0.51239}, BestScore: 0.9, Detections: 70,
		FirstSeen: start, LastSeen: start.Add(9500 * time.Millisecond), Age: 10 * time.Second, Unseen: 500 * time.Millisecond, VX: -3, VY: 4,
	}
	for _, tt := range []struct {
		name  string
		since time.Time
		want  string
	}{
		{"moves", time.Time{}, `"stationary":false,"stationary_since":null,"predicted":false}`},
		{"stands", start.Add(4 * time.Second), `"stationary":true,"stationary_since":6.5,"predicted":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			car.StationarySince = tt.since
			b, err := json.Marshal(newTrackJSON(car, 12500*time.Millisecond, []string{"person", "car"}))
			want := `{"id":3,"class":"car","class_id":1,"score":0.5124,"box":[1,2,3,4.57],"best_score":0.9,"detections":70,` +
				`"first_seen":2.5,"last_seen":12,"age":10,"unseen":0.5,"vx":-3,"vy":4,"speed":5,` + tt.want
			if err != nil || string(b) != want {
				t.Errorf("got  %s (%v)\nwant %s", b, err, want)
			}
		})
	}
}
