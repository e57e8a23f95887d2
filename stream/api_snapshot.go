package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// snapshotTimeout is how long a still may take: a live camera gives many frames in that time.
const snapshotTimeout = 2 * time.Second

// serveSnapshot answers with the next frame as JPEG, with boxes unless boxes=0.
func (s *Server) serveSnapshot(w http.ResponseWriter, r *http.Request) {
	c := s.camera(w, r)
	if c == nil {
		return
	}
	opt, err := pictureOptions(r.URL.RawQuery)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if c.Broadcaster == nil {
		writeError(w, http.StatusNotFound, fmt.Sprintf("camera %q has no live picture", c.Name))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), snapshotTimeout)
	defer cancel()
	jpeg, at, err := c.Broadcaster.snapshot(ctx, opt)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusServiceUnavailable, snapshotError(c, err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(jpeg)))
	h.Set("Content-Disposition", fmt.Sprintf(`inline; filename="%s-%s.jpg"`, c.Name, at.Format("20060102-150405")))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Capture-Time", captureTime(at))
	_, _ = w.Write(jpeg) // the client may have gone
}

func snapshotError(c *Camera, err error) string {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err.Error()
	}
	st := c.Stats()
	message := fmt.Sprintf("camera %q gave no frame within %v; it is %s", c.Name, snapshotTimeout, sourceState(st))
	if st.Source.Reason != "" {
		message += ": " + st.Source.Reason
	}
	return message
}
