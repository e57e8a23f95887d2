package pipeline

import "fmt"

// faultLimit is how many frames in a row may fail before their stage gives up: one second of detections at the usual
// rate tells a broken engine from a bad frame.
const faultLimit = 10

// faults tells a stage's repeating trouble once, counts it, and decides when the stage has failed. It belongs to the
// stage's goroutine.
type faults struct {
	log   func(msg string, err error, times int)
	limit int // failures in a row that end the stage; 0: never
	row   int // failures since the last success
}

func (p *Pipeline) faults(stage string) *faults {
	return &faults{limit: faultLimit, log: func(msg string, err error, times int) {
		e := p.cfg.Log.Warn()
		if err == nil {
			e = p.cfg.Log.Info()
		}
		e.Str("camera", p.cfg.Name).Str("stage", stage).Err(err).Int("failed", times).Msg(msg)
	}}
}

// note takes the outcome of one frame. It returns an error when the stage should end.
func (f *faults) note(err error) error {
	if err == nil {
		if f.row > 0 {
			f.log("frames come through again", nil, f.row)
		}
		f.row = 0
		return nil
	}
	f.row++
	if f.row == 1 {
		f.log("a frame failed; more failures are counted, not logged", err, f.row)
	}
	if f.limit > 0 && f.row >= f.limit {
		return fmt.Errorf("%d frames in a row failed: %w", f.row, err)
	}
	return nil
}
