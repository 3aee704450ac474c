package notify

import (
	"time"

	"anomalystream/streams"
)

// Samples returns notifications of made-up incidents of every kind, open and over, for a route: to try templates and routes with.
func Samples(route string, now time.Time) []streams.Notification {
	now = now.UTC().Truncate(time.Second)
	start, end := now.Add(-10*time.Minute), now
	features := []streams.IncidentFeature{{Feature: "latency_ms", Share: 0.7}, {Feature: "error_rate", Share: 0.3}}
	peak := &streams.Anomaly{
		ID: "sample-0-1", Stream: "sample", Entity: "web-1", Timestamp: start, Kind: streams.KindModel, Score: 0.8, Severity: 7, AlertScore: 4,
		Features: map[string]float64{"latency_ms": 912, "error_rate": 0.2}, Votes: 3, Voters: 3, Needed: 2,
		Detectors: []streams.DetectorVote{{Name: "iforest", Raw: 0.7, Score: 0.8, Vote: true}},
		Why:       streams.Explanation{Sentence: "latency_ms is 912, above the usual 52.", Contributions: []streams.Contribution{{Feature: "latency_ms", Share: 0.7, Value: 912, Expected: 52, Deviation: 20}}},
	}
	var out []streams.Notification
	for _, kind := range []string{streams.KindModel, streams.KindRule, streams.KindStuck, streams.KindSilent, streams.KindGroup} {
		i := streams.Incident{
			ID: "sample-0-1", Revision: 1, Change: streams.ChangeOpened, Stream: "sample", Entity: "web-1", Kind: kind, Status: streams.StatusOpen,
			Start: start, Latest: end, Anomalies: 3, PeakScore: 0.8, PeakSeverity: 7, PeakAlert: 4, Features: features, Peak: peak,
			Sentence: "This is a sample: latency_ms is 912, above the usual 52 (70 % of the reason).",
		}
		switch kind {
		case streams.KindSilent:
			i.Anomalies, i.PeakScore, i.PeakSeverity, i.PeakAlert, i.Features, i.Peak, i.Interval = 0, 0, 0, 0, nil, nil, 5
			i.Sentence = "This is a sample: web-1 has been silent for 10 minutes, usually it sends every 5 seconds."
		case streams.KindGroup:
			i.Entity, i.MemberCount, i.EntityCount = "", 2, 3
			i.Members = []streams.IncidentMember{{Entity: "web-1", Incident: "sample-0-1", Anomalies: 3, PeakAlert: 4, Open: true}, {Entity: "web-2", Incident: "sample-0-2", Anomalies: 1, PeakAlert: 2}}
			i.Sentence = "This is a sample: 2 of 3 entities, latency_ms first."
		}
		over := i
		over.Revision, over.Change, over.Status, over.End = 2, streams.ChangeRecovered, streams.StatusRecovered, &end
		for _, n := range []streams.Notification{{Event: streams.NotifyOpened, Incident: &i}, {Event: streams.NotifyRecovered, Incident: &over}} {
			n.Route, n.At, n.Labels = route, now, map[string]string{}
			n.Key = streams.NotificationKey(route, "sample", kind, n.Event, now.Format(time.RFC3339Nano))
			out = append(out, n)
		}
	}
	return out
}
