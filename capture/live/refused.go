package live

import (
	"errors"
	"fmt"
	"math"
)

var everything = math.Inf(1)

// Refused is an error that trying again soon does not mend: a wrong password, no such stream, a codec that is not
// supported. It is tried again, but at the longest pause.
type Refused struct{ Err error }

func (e *Refused) Error() string { return e.Err.Error() }
func (e *Refused) Unwrap() error { return e.Err }

// Refuse makes a Refused.
func Refuse(format string, args ...any) error { return &Refused{Err: fmt.Errorf(format, args...)} }

// IsRefused says whether err is, or wraps, a Refused.
func IsRefused(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}
