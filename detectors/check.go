package detectors

import "fmt"

// checkMatrix refuses, for the detector of that name, a matrix without rows or columns, one whose shape does not fit
// its data, and any NaN or infinity.
func checkMatrix(name string, x Matrix) error {
	switch {
	case x.Rows < 1:
		return &DataError{Detector: name, Row: -1, Col: -1, Reason: "has no rows"}
	case x.Cols < 1:
		return &DataError{Detector: name, Row: -1, Col: -1, Reason: "has no columns"}
	case len(x.Data)/x.Cols != x.Rows || len(x.Data)%x.Cols != 0:
		reason := fmt.Sprintf("has %d values, not %d rows of %d columns", len(x.Data), x.Rows, x.Cols)
		return &DataError{Detector: name, Row: -1, Col: -1, Reason: reason}
	}
	if i := firstNonfinite(x.Data); i >= 0 {
		return &DataError{Detector: name, Row: i / x.Cols, Col: i % x.Cols, Reason: nonfinite(x.Data[i])}
	}
	return nil
}

// checkRow refuses, for a fitted detector of that name, a row of another width and any NaN or infinity. A width of 0
// columns says that the detector is not fitted.
func checkRow(name string, cols int, row []float64) error {
	if len(row) != cols {
		return badWidth(name, cols, len(row))
	}
	if i := firstNonfinite(row); i >= 0 {
		return &DataError{Detector: name, Row: -1, Col: i, Reason: nonfinite(row[i])}
	}
	if cols == 0 {
		return ErrNotFitted
	}
	return nil
}

// checkParts refuses, besides what checkRow does, attributions that do not have one part per column.
func checkParts(name string, cols int, row, parts []float64) error {
	if err := checkRow(name, cols, row); err != nil {
		return err
	}
	if len(parts) != cols {
		reason := fmt.Sprintf("%d parts for %d columns", len(parts), cols)
		return &DataError{Detector: name, Row: -1, Col: -1, Reason: reason}
	}
	return nil
}

func badWidth(name string, cols, got int) error {
	if cols == 0 {
		return ErrNotFitted
	}
	reason := fmt.Sprintf("has %d columns, the detector was fitted on %d", got, cols)
	return &DataError{Detector: name, Row: -1, Col: -1, Reason: reason}
}

// firstNonfinite returns the position of the first NaN or infinity, or -1.
func firstNonfinite(v []float64) int {
	var sum float64
	for _, x := range v {
		sum += x - x // 0 for every finite number, NaN for the others: one test for all.
	}
	if sum == 0 {
		return -1
	}
	for i, x := range v {
		if x-x != 0 {
			return i
		}
	}
	return -1
}

func nonfinite(v float64) string {
	if v != v {
		return "is NaN"
	}
	return "is infinite"
}
