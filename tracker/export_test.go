package tracker

// Unrest is how many times more than usual the tracker now lets velocities wander because the camera seems to turn.
func (t *Tracker) Unrest() float64 { return t.camera.unrest() }
