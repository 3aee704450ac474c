//go:build postgres

package deploytest

import (
	"fmt"
	"time"

	"anomalystream/sink"
	"anomalystream/streams"
)

// incidents are those of six hours: every twenty minutes one of web-1, acknowledged and recovered; one that nobody cares for,
// one that somebody does, a group with its members, and verdicts, of which one is withdrawn.
func incidents(now time.Time) (records []sink.IncidentRecord, said []streams.Feedback) {
	write := func(i *streams.Incident, after time.Duration) {
		i.Revision++
		records = append(records, sink.NewIncidentRecord(i, i.Start.Add(after)))
	}
	for n := range 18 {
		i := incident(fmt.Sprintf("server_metrics-1-%d", n), now.Add(time.Duration(n-19)*20*time.Minute))
		write(i, time.Second)
		i.Status, i.Change = streams.StatusAcknowledged, streams.ChangeAcknowledged
		i.Acts = []streams.IncidentAct{{At: i.Start.Add(time.Duration(n+1) * time.Minute), Who: "maria", Action: streams.ActionAcknowledge}}
		write(i, time.Duration(n+1)*time.Minute)
		end := i.Start.Add(19 * time.Minute)
		i.Status, i.Change, i.End, i.Verdict = streams.StatusRecovered, streams.ChangeRecovered, &end, streams.VerdictReal
		write(i, 19*time.Minute)
		verdict := streams.Feedback{
			ID: fmt.Sprintf("verdict-%d", n), Action: streams.ActionVerdict, Verdict: []string{streams.VerdictReal, streams.VerdictExpected, streams.VerdictNoise}[n%3],
			Stream: i.Stream, Entity: i.Entity, Incident: i.ID, From: i.Start, To: i.Latest, Until: now.AddDate(0, 0, 30), Who: "maria", At: end,
		}
		said = append(said, verdict)
	}
	said = append(said, streams.Feedback{
		ID: "withdrawn", Action: streams.ActionWithdraw, Withdraw: "verdict-3", Stream: "server_metrics", Entity: "web-1", Who: "maria", At: now,
		From: now, To: now, Until: now,
	})

	waiting := incident("server_metrics-2-1", now.Add(-time.Hour))
	write(waiting, time.Second)
	cared := incident("server_metrics-2-2", now.Add(-10*time.Minute))
	cared.Status, cared.Acts = streams.StatusAcknowledged, []streams.IncidentAct{{At: now, Who: "maria", Action: streams.ActionAcknowledge}}
	write(cared, time.Second)

	group := incident("server_metrics-group-1", now.Add(-30*time.Minute))
	group.Kind, group.Entity, group.EntityCount = streams.KindGroup, "", 5
	for _, entity := range []string{"web-1", "web-2", "web-3"} {
		member := incident("server_metrics-3-"+entity, group.Start)
		member.Entity, member.Group = entity, group.ID
		write(member, time.Second)
		group.Members = append(group.Members, streams.IncidentMember{Entity: entity, Incident: member.ID, Anomalies: 4, Open: true})
	}
	group.MemberCount = len(group.Members)
	write(group, time.Second)
	return records, said
}

func incident(id string, start time.Time) *streams.Incident {
	return &streams.Incident{
		ID: id, Change: streams.ChangeOpened, Stream: "server_metrics", Entity: "web-1", Kind: streams.KindModel, Status: streams.StatusOpen,
		Start: start, Latest: start.Add(10 * time.Minute), Anomalies: 7, PeakScore: 0.9, PeakSeverity: 8, PeakAlert: 4,
		Features: []streams.IncidentFeature{{Feature: "latency_ms", Share: 0.8}, {Feature: "cpu_percent", Share: 0.2}}, Sentence: "latency_ms of web-1 is far from usual.",
	}
}
