package sink

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

// order is a total order of the rows of a table: a column and the id.
type order struct {
	sort      string
	column    string
	ascending bool
	number    bool // The column holds numbers, else times.
}

// sorted names the columns by which a table can be sorted.
type sorted struct{ time, score, severity string }

var (
	sortedAnomalies = sorted{time: `"timestamp"`, score: "score", severity: "severity"}
	sortedIncidents = sorted{time: "start_time", score: "peak_score", severity: "peak_severity"}
	sortedVerdicts  = sorted{time: "at"}
)

// order is the order of this name; what is not known is the newest first.
func (c sorted) order(sort string) order {
	switch {
	case sort == streams.SortOldest:
		return order{sort: sort, column: c.time, ascending: true}
	case sort == streams.SortScore && c.score != "":
		return order{sort: sort, column: c.score, number: true}
	case sort == streams.SortSeverity && c.severity != "":
		return order{sort: sort, column: c.severity, number: true}
	}
	return order{sort: streams.SortNewest, column: c.time}
}

// by is the ORDER BY clause.
func (o order) by() string {
	direction := "DESC"
	if o.ascending {
		direction = "ASC"
	}
	return fmt.Sprintf(" ORDER BY %s %s, id %s", o.column, direction, direction)
}

// cursor is where a page ends: the sort, the column of its last row (a time as Unix microseconds) and the row's id.
func (o order) cursor(at time.Time, number float64, id string) string {
	value := strconv.FormatInt(at.UnixMicro(), 10)
	if o.number {
		value = strconv.FormatFloat(number, 'g', -1, 64)
	}
	return o.sort + "," + value + "," + id
}

// parse reads a cursor of this order: the value of the sort column, a float64 or a time.Time, and the id. Error streams.ErrBadCursor.
func (o order) parse(cursor string) (value any, id string, err error) {
	parts := strings.SplitN(cursor, ",", 3)
	if len(parts) != 3 || parts[0] != o.sort {
		return nil, "", streams.ErrBadCursor
	}
	if o.number {
		v, err := strconv.ParseFloat(parts[1], 64)
		if err != nil {
			return nil, "", streams.ErrBadCursor
		}
		return v, parts[2], nil
	}
	v, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return nil, "", streams.ErrBadCursor
	}
	return time.UnixMicro(v).UTC(), parts[2], nil
}

// after restricts a query to the rows behind a cursor; "" is the beginning. Error streams.ErrBadCursor.
func (o order) after(c *conditions, cursor string) error {
	if cursor == "" {
		return nil
	}
	value, id, err := o.parse(cursor)
	if err != nil {
		return err
	}
	sign := "<"
	if o.ascending {
		sign = ">"
	}
	c.add(fmt.Sprintf("(%s, id) %s (?, ?)", o.column, sign), value, id)
	return nil
}
