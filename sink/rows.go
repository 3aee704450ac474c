package sink

import (
	"time"

	"anomalystream/streams"
)

// Rows are handed to the database column by column: Postgres takes each as one array.

// column gathers one value of each row.
func column[R, V any](rows []R, value func(*R) V) []V {
	out := make([]V, len(rows))
	for i := range rows {
		out[i] = value(&rows[i])
	}
	return out
}

func anomalyColumns(rows []Emitted) []any {
	return []any{
		column(rows, func(a *Emitted) string { return a.ID }),
		column(rows, func(a *Emitted) time.Time { return a.Timestamp }),
		column(rows, func(a *Emitted) string { return a.Stream }),
		column(rows, func(a *Emitted) string { return a.Entity }),
		column(rows, func(a *Emitted) string { return a.Kind }),
		column(rows, func(a *Emitted) float64 { return a.Score }),
		column(rows, func(a *Emitted) float64 { return a.Severity }),
		column(rows, func(a *Emitted) float64 { return a.AlertScore }),
		column(rows, func(a *Emitted) int32 { return int32(a.Votes) }),
		column(rows, func(a *Emitted) int32 { return int32(a.Voters) }),
		column(rows, func(a *Emitted) int32 { return int32(a.Needed) }),
		column(rows, func(a *Emitted) string { return list(a.Detectors) }),
		column(rows, func(a *Emitted) string { return object(a.Features) }),
		column(rows, func(a *Emitted) string { return list(a.Why.Contributions) }),
		column(rows, func(a *Emitted) string { return a.Why.Sentence }),
		column(rows, func(a *Emitted) string { return reason(a.Why) }),
		column(rows, func(a *Emitted) int32 { return int32(a.Why.Generation) }),
		column(rows, func(a *Emitted) string { return a.Source.Topic }),
		column(rows, func(a *Emitted) int32 { return a.Source.Partition }),
		column(rows, func(a *Emitted) int64 { return a.Source.Offset }),
		column(rows, func(a *Emitted) bool { return a.Replay }),
		column(rows, func(a *Emitted) string { return a.Suppressed }),
		column(rows, func(a *Emitted) time.Time { return a.At }),
	}
}

func rollupColumns(rows []streams.Rollup) []any {
	return []any{
		column(rows, func(r *streams.Rollup) string { return r.Stream }),
		column(rows, func(r *streams.Rollup) string { return r.Entity }),
		column(rows, func(r *streams.Rollup) time.Time { return r.Minute }),
		column(rows, func(r *streams.Rollup) int64 { return r.Events }),
		column(rows, func(r *streams.Rollup) int64 { return r.Scored }),
		column(rows, func(r *streams.Rollup) int64 { return r.Anomalies }),
		column(rows, func(r *streams.Rollup) int64 { return r.Late }),
		column(rows, func(r *streams.Rollup) *float64 { return r.ScoreP50 }),
		column(rows, func(r *streams.Rollup) *float64 { return r.ScoreP95 }),
		column(rows, func(r *streams.Rollup) *float64 { return r.ScoreP99 }),
		column(rows, func(r *streams.Rollup) *float64 { return r.ScoreMax }),
		column(rows, func(r *streams.Rollup) float64 { return r.Requested }),
		column(rows, func(r *streams.Rollup) float64 { return r.Realised }),
		column(rows, func(r *streams.Rollup) string { return list(r.Features) }),
		column(rows, func(r *streams.Rollup) bool { return r.Closed }),
	}
}

func detectorColumns(rows []streams.DetectorStatus) []any {
	return []any{
		column(rows, func(d *streams.DetectorStatus) string { return d.Stream }),
		column(rows, func(d *streams.DetectorStatus) string { return d.Entity }),
		column(rows, func(d *streams.DetectorStatus) string { return d.Phase }),
		column(rows, func(d *streams.DetectorStatus) int64 { return d.Seen }),
		column(rows, func(d *streams.DetectorStatus) int64 { return d.Scored }),
		column(rows, func(d *streams.DetectorStatus) int64 { return d.Anomalies }),
		column(rows, func(d *streams.DetectorStatus) int32 { return int32(d.WarmUpHave) }),
		column(rows, func(d *streams.DetectorStatus) int32 { return int32(d.WarmUpNeed) }),
		column(rows, func(d *streams.DetectorStatus) int32 { return int32(d.Generation) }),
		column(rows, func(d *streams.DetectorStatus) int32 { return int32(d.WindowRows) }),
		column(rows, func(d *streams.DetectorStatus) float64 { return d.RequestedRate }),
		column(rows, func(d *streams.DetectorStatus) *float64 { return d.RealisedRate }),
		column(rows, func(d *streams.DetectorStatus) *float64 { return d.Threshold }),
		column(rows, func(d *streams.DetectorStatus) *float64 { return d.MeanScore }),
		column(rows, func(d *streams.DetectorStatus) *float64 { return d.MaxScore }),
		column(rows, func(d *streams.DetectorStatus) int64 { return d.Regimes }),
		column(rows, func(d *streams.DetectorStatus) time.Time { return d.LastEvent }),
		column(rows, func(d *streams.DetectorStatus) time.Time { return d.CheckpointAt }),
		column(rows, func(d *streams.DetectorStatus) int64 { return int64(d.StateBytes) }),
		column(rows, func(d *streams.DetectorStatus) string { return list(d.Features) }),
	}
}

func letterColumns(rows []streams.DeadLetter) []any {
	return []any{
		column(rows, func(l *streams.DeadLetter) string { return l.Stream }),
		column(rows, func(l *streams.DeadLetter) string { return l.Source.Topic }),
		column(rows, func(l *streams.DeadLetter) int32 { return l.Source.Partition }),
		column(rows, func(l *streams.DeadLetter) int64 { return l.Source.Offset }),
		column(rows, func(l *streams.DeadLetter) string { return l.Stage }),
		column(rows, func(l *streams.DeadLetter) string { return l.Code }),
		column(rows, func(l *streams.DeadLetter) string { return l.Reason }),
	}
}

func incidentColumns(rows []IncidentRecord) []any {
	return []any{
		column(rows, func(i *IncidentRecord) string { return i.ID }),
		column(rows, func(i *IncidentRecord) int64 { return i.Revision }),
		column(rows, func(i *IncidentRecord) string { return i.Change }),
		column(rows, func(i *IncidentRecord) string { return i.Stream }),
		column(rows, func(i *IncidentRecord) string { return i.Entity }),
		column(rows, func(i *IncidentRecord) string { return i.Kind }),
		column(rows, func(i *IncidentRecord) string { return i.Status }),
		column(rows, func(i *IncidentRecord) string { return i.Group }),
		column(rows, func(i *IncidentRecord) time.Time { return i.Start }),
		column(rows, func(i *IncidentRecord) time.Time { return i.Latest }),
		column(rows, func(i *IncidentRecord) *time.Time { return i.End }),
		column(rows, func(i *IncidentRecord) int64 { return i.Anomalies }),
		column(rows, func(i *IncidentRecord) float64 { return i.PeakScore }),
		column(rows, func(i *IncidentRecord) float64 { return i.PeakSeverity }),
		column(rows, func(i *IncidentRecord) float64 { return i.PeakAlert }),
		column(rows, func(i *IncidentRecord) string { return list(i.Features) }),
		column(rows, func(i *IncidentRecord) string { return text(i.Peak) }),
		column(rows, func(i *IncidentRecord) string { return list(i.Members) }),
		column(rows, func(i *IncidentRecord) int64 { return int64(i.MemberCount) }),
		column(rows, func(i *IncidentRecord) int64 { return int64(i.EntityCount) }),
		column(rows, func(i *IncidentRecord) bool { return i.Flapping }),
		column(rows, func(i *IncidentRecord) float64 { return i.Interval }),
		column(rows, func(i *IncidentRecord) string { return i.Sentence }),
		column(rows, func(i *IncidentRecord) string { return list(i.Acts) }),
		column(rows, func(i *IncidentRecord) string { return i.Verdict }),
		column(rows, func(i *IncidentRecord) bool { return i.Replay }),
		column(rows, func(i *IncidentRecord) string { return i.Suppressed }),
		column(rows, func(i *IncidentRecord) time.Time { return i.Opened }),
		column(rows, acknowledged),
		column(rows, func(i *IncidentRecord) *time.Time { return i.Ended }),
	}
}

// acknowledged is when somebody first said that they take care, nil where nobody has.
func acknowledged(i *IncidentRecord) *time.Time {
	for k := range i.Acts {
		if i.Acts[k].Action == streams.ActionAcknowledge {
			return &i.Acts[k].At
		}
	}
	return nil
}

func feedbackColumns(rows []streams.Feedback) []any {
	return []any{
		column(rows, func(f *streams.Feedback) string { return f.ID }),
		column(rows, func(f *streams.Feedback) string { return f.Action }),
		column(rows, func(f *streams.Feedback) string { return f.Verdict }),
		column(rows, func(f *streams.Feedback) string { return f.Stream }),
		column(rows, func(f *streams.Feedback) string { return f.Entity }),
		column(rows, func(f *streams.Feedback) string { return f.Incident }),
		column(rows, func(f *streams.Feedback) string { return f.Anomaly }),
		column(rows, func(f *streams.Feedback) time.Time { return f.From }),
		column(rows, func(f *streams.Feedback) time.Time { return f.To }),
		column(rows, func(f *streams.Feedback) string { return text(f.Features) }),
		column(rows, func(f *streams.Feedback) string { return text(f.Guilty) }),
		column(rows, func(f *streams.Feedback) time.Time { return f.Until }),
		column(rows, func(f *streams.Feedback) string { return f.Withdraw }),
		column(rows, func(f *streams.Feedback) string { return f.Who }),
		column(rows, func(f *streams.Feedback) string { return f.PartOf }),
		column(rows, func(f *streams.Feedback) string { return f.Comment }),
		column(rows, func(f *streams.Feedback) time.Time { return f.At }),
	}
}

func progressColumns(rows []Progress) []any {
	return []any{
		column(rows, func(p *Progress) string { return p.Topic }),
		column(rows, func(p *Progress) int32 { return p.Partition }),
		column(rows, func(p *Progress) int64 { return p.Next }),
		column(rows, func(p *Progress) int64 { return p.HighWater }),
	}
}
