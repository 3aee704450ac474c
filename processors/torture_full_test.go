//go:build torture && unix

package processors_test

import (
	"fmt"
	"strings"
	"testing"
)

// fullSize are the scenarios of docs/torture.md. There is no state directory, so no disk of ours can be full.
func fullSize() []scenario {
	return []scenario{
		{name: "kills", key: "device", seed: 1, kills: 50, batch: 100, malformed: 0.05, voices: true},
		{name: "kills without repartition", key: "record", seed: 2, kills: 50, batch: 100, malformed: 0.05, voices: true},
		{name: "paused processes", key: "device", seed: 3, pauses: 8, batch: 100, malformed: 0.05, voices: true},
		{name: "joining and leaving", key: "device", seed: 4, leaves: 12, batch: 100, malformed: 0.05, voices: true},
		{name: "refused records", key: "device", seed: 5, refusals: 60, batch: 100, malformed: 0.05, voices: true},
		{name: "brokers", key: "device", seed: 6, stops: 1, brokerKills: 3, batch: 100, malformed: 0.05, voices: true},
		{name: "malformed records", key: "device", seed: 7, kills: 3, batch: 400, malformed: 0.6, records: 170_000},
		{name: "incidents", key: "record", seed: 9, kills: 50, pauses: 3, leaves: 3, refusals: 20, brokerKills: 1, batch: 100, incidents: true, voices: true},
		{name: "everything", key: "device", seed: 8, kills: 20, pauses: 3, leaves: 3, refusals: 20, stops: 1, brokerKills: 2, batch: 100, malformed: 0.2, voices: true},
	}
}

// table runs scenarios one after another and prints what came of them as a Markdown table.
func table(t *testing.T, scenarios []scenario, run func(*testing.T, scenario) verdict) {
	t.Helper()
	rows := []string{
		"| run | kills | pauses | leaves | refusals | broker stops + kills | produced | scored | dead letters | want | missing | extra | differing | duplicates |",
		"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
	}
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			v := run(t, sc)
			rows = append(rows, fmt.Sprintf("| %s | %d | %d | %d | %d | %d + %d | %d | %d | %d | %d | %d | %d | %d | %d |", sc.name, sc.kills, sc.pauses, sc.leaves,
				sc.refusals, sc.stops, sc.brokerKills, v.produced, v.scored, v.dead, v.want, v.missing, v.extra, v.differing, v.duplicate))
		})
	}
	t.Log("\n" + strings.Join(rows, "\n"))
}

// TestTortureFull runs what the in-process broker can take part in.
func TestTortureFull(t *testing.T) {
	var scenarios []scenario
	for _, sc := range fullSize() {
		if sc.stops, sc.brokerKills = 0, 0; sc.name != "brokers" {
			scenarios = append(scenarios, sc)
		}
	}
	table(t, scenarios, onOurBroker)
}
