package sink

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"anomalystream/streams"
)

// window is a range of weeks of event time; zero ends are open. Postgres plans and starts a query for each partition that its text
// leaves in, whatever the arguments say later, so that reading one page of a year costs as much as reading fifty. What is known
// of the time therefore stands in the text too, by whole weeks: there are few such texts, and each is prepared once.
type window struct{ from, to time.Time }

// add restricts a query to the window.
func (w window) add(c *conditions) {
	if c.s.pool == nil {
		return // SQLite has one table.
	}
	for _, end := range []struct {
		sign string
		at   time.Time
	}{{">=", w.from}, {"<", w.to}} {
		if !end.at.IsZero() {
			c.parts = append(c.parts, fmt.Sprintf(`"timestamp" %s '%s'`, end.sign, end.at.UTC().Format(time.RFC3339)))
		}
	}
}

// covering returns the weeks that hold from <= t < to. Times that have no partition of their own leave their end open.
func covering(from, to time.Time) (w window) {
	if p, ok := partitionOf("", from); ok && !from.IsZero() {
		w.from = p.at()
	}
	if to.IsZero() {
		return w
	}
	if p, ok := partitionOf("", to.Add(-time.Microsecond)); ok {
		w.to = p.at().Add(week)
	}
	return w
}

// behind returns the weeks that hold what comes after a cursor; a cursor that cannot be read is for others to report.
func behind(o order, cursor string) window {
	at := cursorTime(o, cursor)
	switch {
	case at.IsZero():
		return window{}
	case o.ascending:
		return covering(at, time.Time{})
	}
	return covering(time.Time{}, at.Add(time.Microsecond))
}

// cursorTime is the time of a cursor in an order of times, zero without one.
func cursorTime(o order, cursor string) time.Time {
	value, _, err := o.parse(cursor)
	if at, ok := value.(time.Time); ok && err == nil {
		return at
	}
	return time.Time{}
}

// edgeWeeks is how many weeks are looked at first for a page in order of time. Mostly they fill it.
const edgeWeeks = 2

// windows are where to look for a page, one after the other until it is full. A list in order of time is read at its edge first: if
// that fills the page, what lies behind cannot be on it.
func (s *Store) windows(ctx context.Context, q *streams.AnomalyQuery) []window {
	everything := []window{{}}
	o := sortedAnomalies.order(q.Sort)
	if s.pool == nil || o.number {
		return everything
	}
	first, last := s.extent.get(ctx, s)
	if last.IsZero() {
		return everything
	}
	at := cursorTime(o, q.Cursor)
	if o.ascending {
		edge := covering(time.Time{}, newestOf(first, q.From, at).Add(edgeWeeks*week))
		if !q.To.IsZero() && !q.To.After(edge.to) {
			return everything // Which is not much.
		}
		return append([]window{edge}, everything...)
	}
	end := last.Add(week)
	for _, t := range []time.Time{q.To, at} {
		if !t.IsZero() && t.Before(end) {
			end = t
		}
	}
	edge := covering(end.Add(-edgeWeeks*week), time.Time{})
	if !q.From.IsZero() && !q.From.Before(edge.from) {
		return everything
	}
	return append([]window{edge}, everything...)
}

// planned has a statement planned for its arguments. After some uses Postgres would take one plan for all, which reads the rows of a
// small stream, or of high scores, through everybody else's. For an entity every plan takes its index, and planning is most of the work.
func (s *Store) planned(q *streams.AnomalyQuery, args []any) []any {
	if s.pool == nil || q.Entity != "" || len(args) == 0 {
		return args
	}
	return append([]any{pgx.QueryExecModeCacheDescribe}, args...)
}

func newestOf(times ...time.Time) (out time.Time) {
	for _, t := range times {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// extent remembers the first and the last week that have anomalies. It may be a little old: then a page is looked for in vain, and
// after that everywhere.
type extent struct {
	mu          sync.Mutex
	until       time.Time
	first, last time.Time
}

// extentAge is how long the extent is used.
const extentAge = 10 * time.Second

// get returns the extent, zero times where nothing is known. One caller renews it while the others use the old one.
func (e *extent) get(ctx context.Context, s *Store) (first, last time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Now().Before(e.until) {
		return e.first, e.last
	}
	e.until = time.Now().Add(extentAge)
	e.mu.Unlock()
	var from, to *time.Time
	err := s.pool.QueryRow(ctx, `SELECT min(week), max(week) FROM anomaly_totals WHERE anomalies > 0 AND week >= $1 AND week < $2`, streams.MinTime, streams.MaxTime).Scan(&from, &to)
	e.mu.Lock()
	if err == nil && from != nil {
		e.first, e.last = from.UTC(), to.UTC()
	}
	return e.first, e.last
}
