//go:build postgres

package sink

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"anomalystream/internal/pgtest"
	"anomalystream/streams"
)

// TestWindows pages through rows that lie weeks apart, in the default partition too, in both orders of time, between bounds, and
// while what is remembered of the extent is old: no row is missing or in another place.
func TestWindows(t *testing.T) {
	t.Parallel()
	s := open(t, Config{URL: pgtest.Start(t).Database(t)})
	var all []streams.Anomaly
	add := func(times ...time.Time) {
		t.Helper()
		var b Batch
		for _, at := range times {
			a := sample(len(all))
			a.Timestamp = at
			b.Anomalies = append(b.Anomalies, a)
			all = append(all, a.Anomaly)
		}
		write(t, s, b)
	}
	check := func(what string) {
		t.Helper()
		for _, sort := range []string{streams.SortNewest, streams.SortOldest} {
			for _, q := range []streams.AnomalyQuery{
				{}, {Stream: "transactions"}, {From: epoch}, {To: epoch}, {From: epoch.Add(-9 * week), To: epoch.Add(2 * week)},
				{From: epoch.Add(-200 * week)}, {To: epoch.Add(4000 * week)},
			} {
				q.Sort = sort
				var want []streams.Anomaly
				for _, a := range all {
					if (q.Stream == "" || a.Stream == q.Stream) && !a.Timestamp.Before(q.From) && (q.To.IsZero() || a.Timestamp.Before(q.To)) {
						want = append(want, a)
					}
				}
				slices.SortFunc(want, func(a, b streams.Anomaly) int {
					if sort == streams.SortNewest {
						a, b = b, a
					}
					return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.ID, b.ID))
				})
				var ids []string
				for _, a := range want {
					ids = append(ids, a.ID)
				}
				for _, limit := range []int{1, 4, 1000} {
					var byCursor, byOffset []string
					for q.Limit, q.Cursor = limit, ""; ; {
						p := page(t, s, q)
						for _, a := range p.Items {
							byCursor = append(byCursor, a.ID)
						}
						if q.Cursor = p.Next; p.Next == "" || len(byCursor) > len(ids) {
							break
						}
					}
					for q.Cursor, q.Offset = "", 0; q.Offset < len(ids); q.Offset += limit {
						for _, a := range page(t, s, q).Items {
							byOffset = append(byOffset, a.ID)
						}
					}
					q.Offset = 0
					if !slices.Equal(byCursor, ids) || !slices.Equal(byOffset, ids) {
						t.Errorf("%s, %+v: by cursor %v, by offset %v, want %v", what, q, byCursor, byOffset, ids)
					}
				}
			}
		}
	}
	check("empty")
	s.extent = extent{}
	for i := range 12 {
		add(epoch.Add(time.Duration(i*i) * 40 * time.Hour).Add(-10 * week))
	}
	add(epoch, epoch, monday0(epoch), monday0(epoch).Add(-time.Microsecond))
	check("some")
	add(epoch.Add(30*week), epoch.Add(-90*week), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
	check("with an old extent")
	s.extent = extent{}
	check("with a new extent")

	statement, _, err := s.pageStatement(&streams.AnomalyQuery{Limit: 50}, s.windows(t.Context(), &streams.AnomalyQuery{})[0])
	if err != nil {
		t.Fatal(err)
	}
	if n := scans(t, s, statement); n > edgeWeeks+2 {
		t.Errorf("the newest page reads %d partitions", n)
	}
}

// monday0 is the start of the week of a time.
func monday0(t time.Time) time.Time {
	p, _ := partitionOf("", t)
	return p.at()
}

// scans is how many partitions a statement without arguments would read.
func scans(t *testing.T, s *Store, statement string) (n int) {
	t.Helper()
	const named = `SELECT count(*) FROM (SELECT jsonb_path_query($1::jsonb, '$.**."Relation Name"')) AS plan`
	var plan string
	if err := s.pool.QueryRow(context.Background(), `EXPLAIN (FORMAT JSON) `+statement).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	if err := s.pool.QueryRow(context.Background(), named, plan).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
