package sink

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"anomalystream/streams"
)

// verdictRows are the verdicts with what became of them. The first withdrawal counts. The clock of a stream is its newest
// stored minute, looked up once for each stream.
const verdictRows = `WITH clocks AS MATERIALIZED (
  SELECT stream, (SELECT max(minute) FROM rollups WHERE rollups.stream = judged.stream) AS clock
  FROM (SELECT DISTINCT stream FROM feedback WHERE action = 'verdict') AS judged)
SELECT id, verdict, stream, entity, incident, anomaly, from_time, to_time, features, guilty, until_time, who, part_of, comment, at, state, withdrawn_by, withdrawn_at
FROM (SELECT f.*, w.who AS withdrawn_by, w.at AS withdrawn_at,
    CASE WHEN w.id IS NOT NULL THEN 'withdrawn' WHEN f.until_time < clocks.clock THEN 'expired' ELSE 'in_force' END AS state
  FROM feedback AS f LEFT JOIN clocks ON clocks.stream = f.stream
  LEFT JOIN feedback AS w ON w.id = (SELECT x.id FROM feedback AS x WHERE x.withdraws = f.id AND x.withdraws <> '' ORDER BY x.at, x.id LIMIT 1)
  WHERE f.action = 'verdict') AS verdicts`

const verdictStatement = verdictRows + ` WHERE id = $1`

// Verdicts returns one page, newest first. Errors: streams.ErrBadCursor, else trouble of the database.
func (s *Store) Verdicts(ctx context.Context, q streams.VerdictQuery) (streams.VerdictPage, error) {
	page := streams.VerdictPage{Items: []streams.StoredVerdict{}}
	q.Limit = min(max(q.Limit, 1), 1000)
	statement, args, err := s.verdictPageStatement(&q)
	if err != nil {
		return page, err
	}
	items, err := s.verdicts(ctx, statement, args...)
	if err != nil {
		return page, err
	}
	if len(items) > q.Limit {
		items = items[:q.Limit]
		last := &items[q.Limit-1]
		page.Next = sortedVerdicts.order(streams.SortNewest).cursor(last.At, 0, last.ID)
	}
	page.Items = items
	return page, nil
}

func (s *Store) verdictPageStatement(q *streams.VerdictQuery) (statement string, args []any, err error) {
	c := &conditions{s: s}
	if q.Stream != "" {
		c.add("stream = ?", q.Stream)
	}
	if q.Verdict != "" {
		c.add("verdict = ?", q.Verdict)
	}
	if q.State != "" {
		c.add("state = ?", q.State)
	}
	if q.Incident != "" {
		c.add("incident = ? AND incident <> ''", q.Incident)
	}
	if q.Anomaly != "" {
		c.add("anomaly = ? AND anomaly <> '' AND incident = ''", q.Anomaly)
	}
	if q.Group != "" {
		c.add("incident IN (SELECT id FROM incidents WHERE group_id = ? AND group_id <> '')", q.Group)
	}
	if q.PartOf != "" {
		c.add("part_of = ? AND part_of <> ''", q.PartOf)
	}
	if q.TopLevel {
		c.add("part_of = ''")
	}
	o := sortedVerdicts.order(streams.SortNewest)
	if err := o.after(c, q.Cursor); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf(`%s%s%s LIMIT %d`, verdictRows, c.where(), o.by(), q.Limit+1), c.args, nil
}

// Verdict returns one verdict. Error streams.ErrNotFound where there is none.
func (s *Store) Verdict(ctx context.Context, id string) (streams.StoredVerdict, error) {
	return only(s.verdicts(ctx, verdictStatement, id))
}

func (s *Store) verdicts(ctx context.Context, statement string, args ...any) ([]streams.StoredVerdict, error) {
	return collect(ctx, s, "reading verdicts", statement, args, scanVerdict)
}

func scanVerdict(rows *sql.Rows) (v streams.StoredVerdict, err error) {
	var from, to, until, at moment
	var withdrawn *moment
	var by *string
	var features, guilty []byte
	err = rows.Scan(&v.ID, &v.Verdict, &v.Stream, &v.Entity, &v.Incident, &v.Anomaly, &from, &to, &features, &guilty, &until,
		&v.Who, &v.PartOf, &v.Comment, &at, &v.State, &by, &withdrawn)
	if err == nil {
		err = errors.Join(json.Unmarshal(features, &v.Features), json.Unmarshal(guilty, &v.Guilty))
	}
	v.Action = streams.ActionVerdict
	v.From, v.To, v.Until, v.At, v.WithdrawnAt = from.Time, to.Time, until.Time, at.Time, withdrawn.pointer()
	if by != nil {
		v.WithdrawnBy = *by
	}
	return v, err
}

// Judged counts the verdicts of each stream that were not withdrawn. The parts of a verdict on a group count as one.
func (s *Store) Judged(ctx context.Context) (map[string]streams.VerdictCounts, error) {
	out := map[string]streams.VerdictCounts{}
	err := s.each(ctx, "counting verdicts", verdictCounts, nil, func(rows *sql.Rows) error {
		var stream, verdict string
		var n int64
		if err := rows.Scan(&stream, &verdict, &n); err != nil {
			return err
		}
		c := out[stream]
		switch verdict {
		case streams.VerdictReal:
			c.Real = n
		case streams.VerdictExpected:
			c.Expected = n
		case streams.VerdictNoise:
			c.Noise = n
		}
		out[stream] = c
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const verdictCounts = `SELECT stream, verdict, count(*) FROM feedback AS f WHERE action = 'verdict' AND part_of = ''
  AND NOT EXISTS (SELECT 1 FROM feedback AS w WHERE w.withdraws = f.id AND w.withdraws <> '') GROUP BY stream, verdict`
