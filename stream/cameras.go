package stream

import (
	"fmt"
	"regexp"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

var cameraName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// Camera is what the server shows of one camera.
type Camera struct {
	Name        string   // [a-z0-9_-]{1,32}
	Source      string   // where the pictures come from, for people; holds no secret
	Classes     []string // the model's class names, by Detection.Class
	Stats       func() pipeline.Stats
	Tracks      func() *tracker.Snapshot // the newest; nil before the first detection
	Broadcaster *Broadcaster             // may be nil: no live picture and no snapshot
	Retry       func() bool              // tries a source that is down now, says whether it waited; nil: it never waits
}

// cameraSet is all cameras at one moment. It is not changed after it is made.
type cameraSet struct {
	list   []Camera // in the order they are shown
	byName map[string]*Camera
}

func newCameraSet(cameras []Camera) (*cameraSet, error) {
	set := &cameraSet{list: cameras, byName: map[string]*Camera{}}
	for i := range cameras {
		c := &cameras[i]
		if !cameraName.MatchString(c.Name) {
			return nil, fmt.Errorf("camera name %s: use 1 to 32 of a-z, 0-9, _ and -", quote(c.Name))
		}
		if set.byName[c.Name] != nil {
			return nil, fmt.Errorf("camera name %q is used twice", c.Name)
		}
		set.byName[c.Name] = c
	}
	return set, nil
}

// SetCameras replaces the cameras that are shown. The slice is the server's from then on. Safe from any goroutine;
// requests under way go on with the cameras they began with, so a camera that is taken out must answer a little longer.
func (s *Server) SetCameras(cameras []Camera) error {
	set, err := newCameraSet(cameras)
	if err != nil {
		return err
	}
	s.cameras.Store(set)
	s.live.show(set)
	return nil
}
