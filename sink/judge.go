package sink

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"anomalystream/streams"
)

// The incidents group forgets incidents that ended long ago; people judge and comment them all the same. So the store makes up
// an incident's verdict and acts from what was said about it, where it has that, and takes those of its record elsewhere.

// judgeIncidents sets the verdict of the incidents that a condition selects to the newest that nobody has withdrawn.
const judgeIncidents = `UPDATE incidents SET verdict = coalesce((SELECT f.verdict FROM feedback AS f
    WHERE f.incident = incidents.id AND f.incident <> '' AND f.action = 'verdict'
      AND NOT EXISTS (SELECT 1 FROM feedback AS w WHERE w.withdraws = f.id AND w.withdraws <> '') ORDER BY f.at DESC, f.id DESC LIMIT 1), '')
WHERE EXISTS (SELECT 1 FROM feedback AS f WHERE f.incident = incidents.id AND f.incident <> '' AND f.action = 'verdict') AND id = `

// concerned are the incidents whose verdict a batch may change, in order and each once.
func (b *Batch) concerned() []string {
	var ids []string
	for i := range b.Incidents {
		ids = append(ids, b.Incidents[i].ID)
	}
	for i := range b.Feedback {
		if b.Feedback[i].Incident != "" {
			ids = append(ids, b.Feedback[i].Incident)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

const actStatement = `SELECT at, who, action, verdict, comment FROM feedback WHERE incident = $1 AND incident <> '' ORDER BY at DESC, id DESC LIMIT $2`

// addActs adds to an incident what was said about it and its record does not know.
func (s *Store) addActs(ctx context.Context, i *streams.StoredIncident) error {
	known := map[streams.IncidentAct]bool{}
	for _, a := range i.Acts {
		known[instantly(a)] = true
	}
	err := s.each(ctx, "reading what was said", actStatement, []any{i.ID, streams.MaxActs}, func(rows *sql.Rows) error {
		var a streams.IncidentAct
		var at moment
		if err := rows.Scan(&at, &a.Who, &a.Action, &a.Verdict, &a.Comment); err != nil {
			return err
		}
		if a.At = at.Time; !known[instantly(a)] {
			i.Acts = append(i.Acts, a)
		}
		return nil
	})
	slices.SortStableFunc(i.Acts, func(a, b streams.IncidentAct) int { return a.At.Compare(b.At) })
	i.Acts = i.Acts[max(len(i.Acts)-streams.MaxActs, 0):]
	return err
}

// instantly is an act whose time is equal where the instant is, to what the store keeps of it.
func instantly(a streams.IncidentAct) streams.IncidentAct {
	a.At = a.At.UTC().Truncate(time.Microsecond)
	return a
}
