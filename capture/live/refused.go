package live

import "math"

var everything = math.Inf(1)

// Refused is an error that trying again soon does not mend: a wrong password, no such stream, a codec that is not
// supported. It is tried again, but at the longest pause.
type Refused struct{ Err error }

func (e *Refused) Error() string { return e.Err.Error() }
func (e *Refused) Unwrap() error { return e.Err }
