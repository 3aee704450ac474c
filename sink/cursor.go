package sink

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

// order is a total order of anomalies: a column and the id.
type order struct {
	column    string
	ascending bool
}

func orderOf(sort string) order {
	switch sort {
	case streams.SortOldest:
		return order{`"timestamp"`, true}
	case streams.SortScore:
		return order{"score", false}
	case streams.SortSeverity:
		return order{"severity", false}
	}
	return order{`"timestamp"`, false}
}

// A cursor is the sort, the sort column of the last row (a time as Unix microseconds) and its id.
func cursorOf(sort string, a *streams.StoredAnomaly) string {
	value := strconv.FormatInt(a.Timestamp.UnixMicro(), 10)
	switch sort {
	case streams.SortScore:
		value = strconv.FormatFloat(a.Score, 'g', -1, 64)
	case streams.SortSeverity:
		value = strconv.FormatFloat(a.Severity, 'g', -1, 64)
	}
	if sort == "" {
		sort = streams.SortNewest
	}
	return sort + "," + value + "," + a.ID
}

// after restricts a query to the rows behind a cursor.
func (s *Store) after(c *conditions, o order, sort, cursor string) error {
	parts := strings.SplitN(cursor, ",", 3)
	if sort == "" {
		sort = streams.SortNewest
	}
	if len(parts) != 3 || parts[0] != sort {
		return streams.ErrBadCursor
	}
	var value any
	switch sort {
	case streams.SortScore, streams.SortSeverity:
		v, err := strconv.ParseFloat(parts[1], 64)
		if err != nil {
			return streams.ErrBadCursor
		}
		value = v
	default:
		v, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return streams.ErrBadCursor
		}
		value = time.UnixMicro(v).UTC()
	}
	sign := "<"
	if o.ascending {
		sign = ">"
	}
	c.add(fmt.Sprintf("(%s, id) %s (?, ?)", o.column, sign), value, parts[2])
	return nil
}
