package sink

import (
	"time"

	"anomalystream/streams"
)

// latestRollups keeps the last rollup of each detector key and minute: a statement may touch a row once.
func latestRollups(rows []streams.Rollup) []streams.Rollup {
	return latest(rows, func(r *streams.Rollup) any {
		return struct {
			stream, entity string
			minute         time.Time
		}{r.Stream, r.Entity, r.Minute.UTC()}
	})
}

// latestStatuses keeps the last status of each detector key.
func latestStatuses(rows []streams.DetectorStatus) []streams.DetectorStatus {
	return latest(rows, func(s *streams.DetectorStatus) any { return [2]string{s.Stream, s.Entity} })
}

func latest[T any](rows []T, key func(*T) any) []T {
	at := make(map[any]int, len(rows))
	var out []T
	for i := range rows {
		k := key(&rows[i])
		if j, ok := at[k]; ok {
			out[j] = rows[i]
			continue
		}
		at[k] = len(out)
		out = append(out, rows[i])
	}
	return out
}

func rollupColumns(rows []streams.Rollup) []any {
	var c columns
	for i := range rows {
		r := &rows[i]
		c.at = 0
		put(&c, r.Stream)
		put(&c, r.Entity)
		put(&c, r.Minute)
		put(&c, r.Events)
		put(&c, r.Scored)
		put(&c, r.Anomalies)
		put(&c, r.Late)
		put(&c, r.ScoreP50)
		put(&c, r.ScoreP95)
		put(&c, r.ScoreP99)
		put(&c, r.ScoreMax)
		put(&c, r.Requested)
		put(&c, r.Realised)
		put(&c, list(r.Features))
		put(&c, r.Closed)
	}
	return c.lists
}

func detectorColumns(rows []streams.DetectorStatus) []any {
	var c columns
	for i := range rows {
		d := &rows[i]
		c.at = 0
		put(&c, d.Stream)
		put(&c, d.Entity)
		put(&c, d.Phase)
		put(&c, d.Seen)
		put(&c, d.Scored)
		put(&c, d.Anomalies)
		put(&c, int32(d.WarmUpHave))
		put(&c, int32(d.WarmUpNeed))
		put(&c, int32(d.Generation))
		put(&c, int32(d.WindowRows))
		put(&c, d.RequestedRate)
		put(&c, d.RealisedRate)
		put(&c, d.Threshold)
		put(&c, d.MeanScore)
		put(&c, d.MaxScore)
		put(&c, d.Regimes)
		put(&c, d.LastEvent)
		put(&c, d.CheckpointAt)
		put(&c, int64(d.StateBytes))
		put(&c, list(d.Features))
	}
	return c.lists
}

func letterColumns(rows []streams.DeadLetter) []any {
	var c columns
	for i := range rows {
		l := &rows[i]
		c.at = 0
		put(&c, l.Stream)
		put(&c, l.Source.Topic)
		put(&c, l.Source.Partition)
		put(&c, l.Source.Offset)
		put(&c, l.Stage)
		put(&c, l.Code)
		put(&c, l.Reason)
	}
	return c.lists
}
