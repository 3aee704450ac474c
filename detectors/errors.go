package detectors

import (
	"errors"
	"fmt"
)

// ErrNotFitted is returned by Score, Explain and Learn before a successful Fit.
var ErrNotFitted = errors.New("detector is not fitted")

// DataError says why rows were refused, and where.
type DataError struct {
	Detector string // Name of the detector, or "" for a check that all share.
	Row, Col int    // Position of the offending value, zero-based; -1 where it does not apply.
	Reason   string // What was wrong, for example "is NaN".
}

// Error names the position and the reason.
func (e *DataError) Error() string {
	where := ""
	if e.Row >= 0 {
		where += fmt.Sprintf(" row %d", e.Row)
	}
	if e.Col >= 0 {
		where += fmt.Sprintf(" column %d", e.Col)
	}
	if e.Detector != "" {
		return fmt.Sprintf("%s: data%s: %s", e.Detector, where, e.Reason)
	}
	return fmt.Sprintf("data%s: %s", where, e.Reason)
}

// ParamError says which parameter of a detector is out of range and what was expected.
type ParamError struct {
	Detector, Param string
	Value           any
	Want            string // For example "an integer of at least 1".
}

// Error names the detector, the parameter, the value and what was expected.
func (e *ParamError) Error() string {
	return fmt.Sprintf("detector %s: parameter %s: got %v, want %s", e.Detector, e.Param, e.Value, e.Want)
}
