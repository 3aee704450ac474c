//go:build postgres

package sink

import (
	"fmt"
	"testing"
	"time"

	"anomalystream/streams"
)

// fillIncidents makes n incidents of the same year, of which one in a thousand lasts, and as many verdicts as one in a hundred of
// them. One in fifty is part of a group of twenty.
const (
	fillIncidents = `INSERT INTO incidents (id, revision, change, stream, entity, kind, status, group_id, start_time, latest_time, end_time, anomalies, peak_score,
  peak_severity, peak_alert_score, features, peak, members, member_count, entity_count, flapping, interval_seconds, sentence, acts, verdict, replay, suppressed_by,
  opened_at, ended_at, created_at, updated_at)
SELECT s || '-0-' || i, 4, CASE WHEN lasts THEN 'extended' ELSE 'recovered' END, s, 'entity-' || i * 7919 % 10000, CASE WHEN i % 1000 = 0 THEN 'silent' ELSE 'model' END,
  CASE WHEN lasts THEN 'open' ELSE 'recovered' END, CASE WHEN i % 1000 < 20 THEN 'group-' || i / 1000 ELSE '' END, at, at + '9 minutes', CASE WHEN NOT lasts THEN at + interval '15 minutes' END,
  20, 0.9, 30 * r * r, 4 * r, '[{"feature": "cpu_percent", "share": 1}]', 'null', '[]', 0, 0, false, 0, 'cpu_percent is 90.5, far above the usual 30.', '[]',
  CASE WHEN i % 100 = 0 THEN 'real' ELSE '' END, false, '', at, CASE WHEN NOT lasts THEN at + interval '15 minutes' END, at, at + interval '15 minutes'
FROM (SELECT i, i % 1000 = 500 AS lasts, (ARRAY['server_metrics','transactions','iot_sensors','a','b'])[1 + i % 5] AS s,
        '2025-01-01Z'::timestamptz + i * interval '365 days' / $1 AS at, abs(hashint8(i)) / 2147483648.0 AS r FROM generate_series(0, $1::bigint - 1) AS i) AS x`
	fillVerdicts = `INSERT INTO feedback SELECT 'v-' || i, 'verdict', 'real', stream, entity, id, id, start_time, latest_time, '{}', '[]', latest_time + interval '30 days', '', 'alice', '', '', opened_at
FROM (SELECT row_number() OVER () AS i, * FROM incidents WHERE verdict <> '') AS x`
	fillWithdrawals = `INSERT INTO feedback SELECT 'w' || id, 'withdraw', '', stream, entity, incident, anomaly, from_time, to_time, '{}', '[]', until_time, id, 'bob', '', '', at + interval '1 hour'
FROM feedback WHERE hashtext(id) % 10 = 0`
)

// incidentQuestions are those of the API about incidents and verdicts.
func incidentQuestions(t testing.TB, s *Store, incidents int64) []question {
	t.Helper()
	year := func(day int) time.Time { return time.Date(2025, 1, 1+day, 0, 0, 0, 0, time.UTC) }
	var out []question
	add := func(name string, q streams.IncidentQuery, rows int) {
		q.Limit = 50
		statement, args, err := s.incidentPageStatement(&q)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, question{"incidents: " + name, statement, args, rows})
	}
	perDay := int(incidents / 365)
	lasting := []string{streams.StatusOpen, streams.StatusAcknowledged}
	for _, sort := range []string{streams.SortNewest, streams.SortOldest, streams.SortSeverity} {
		add("all by "+sort, streams.IncidentQuery{Sort: sort}, 500)
		add("stream by "+sort, streams.IncidentQuery{Stream: "transactions", Sort: sort}, 500)
		first := incidentPage(t, s, streams.IncidentQuery{Stream: "transactions", Sort: sort, Limit: 200})
		add("next page by "+sort, streams.IncidentQuery{Stream: "transactions", Sort: sort, Cursor: first.Next}, 1000)
	}
	add("entity", streams.IncidentQuery{Stream: "server_metrics", Entity: "entity-190"}, 500)
	add("lasting", streams.IncidentQuery{Status: lasting}, 1000)
	add("a stream's lasting ones", streams.IncidentQuery{Stream: "server_metrics", Status: lasting}, 2000)
	add("silent", streams.IncidentQuery{Kind: streams.KindSilent}, 500)
	add("judged", streams.IncidentQuery{Verdict: streams.VerdictReal}, 500)
	add("members", streams.IncidentQuery{Group: "group-3"}, 500)
	add("top level", streams.IncidentQuery{TopLevel: true}, 500)
	add("a day", streams.IncidentQuery{From: year(100), To: year(101)}, 3*perDay+500)
	add("a stream's day", streams.IncidentQuery{Stream: "transactions", From: year(200), To: year(201)}, 3*perDay+500)
	add("the last day", streams.IncidentQuery{From: year(364)}, 3*perDay+500)
	id := "transactions-0-" + fmt.Sprint(incidents/2/5*5+1)
	out = append(out, question{"incidents: one", incidentStatement, []any{id}, 5})
	statement, args := s.incidentsSinceStatement(year(200), "", 1000)
	out = append(out, question{"incidents: since", statement, args, 4000})
	one, err := s.Incident(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	statement, args, err = s.pageStatement(&streams.AnomalyQuery{Stream: one.Stream, Incident: id, From: one.Start, To: one.Latest.Add(time.Microsecond), Limit: 50}, window{})
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, question{"incidents: anomalies of one", statement, args, 2000})

	judged := int(incidents/100) + int(incidents/1000)
	verdicts := func(name string, q streams.VerdictQuery, rows int) {
		q.Limit = 50
		statement, args, err := s.verdictPageStatement(&q)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, question{"verdicts: " + name, statement, args, rows})
	}
	// The streams that have verdicts are found by reading these: few, since people give them.
	verdicts("all", streams.VerdictQuery{}, 5*judged+5000)
	verdicts("a stream's", streams.VerdictQuery{Stream: "server_metrics"}, 5*judged+5000)
	verdicts("in force", streams.VerdictQuery{State: streams.VerdictInForce}, 5*judged+5000)
	verdicts("of an incident", streams.VerdictQuery{Incident: id}, 2*judged+5000)
	out = append(out, question{"verdicts: one", verdictStatement, []any{"v-3"}, 2*judged + 5000})
	out = append(out, question{"incidents: what was said", actStatement, []any{id, streams.MaxActs}, 100})
	return append(out, question{"verdicts: counts", verdictCounts, nil, 3*judged + 1000})
}
