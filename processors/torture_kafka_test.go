//go:build kafka

package processors_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/realkafka"
)

// onKafka runs a scenario on a real cluster of three brokers, of which some are stopped for a time and some killed.
func onKafka(t *testing.T, sc scenario, stopped time.Duration) verdict {
	t.Helper()
	cluster := realkafka.Start(t, 3)
	x := newTorture(t, kafkatest.Dial(t, cluster.Brokers()...), sc)
	broker := func(end func(int), away time.Duration) func() {
		return func() {
			i := x.random.IntN(3)
			end(i)
			kafkatest.Elapse(away)
			cluster.Restart(i)
			cluster.Await(3)
		}
	}
	x.add(sc.stops, "broker stop", broker(cluster.Stop, stopped))
	x.add(sc.brokerKills, "broker kill", broker(cluster.Kill, 2*time.Second))
	return x.run()
}

// TestTortureOnKafka does to a stream on a real cluster what TestTorture does on the in-process broker, and stops and kills
// brokers too. At full size it is TestTortureFullOnKafka.
func TestTortureOnKafka(t *testing.T) {
	onKafka(t, scenario{key: "device", seed: 1, kills: 2, pauses: 1, leaves: 1, stops: 1, brokerKills: 1, batch: 100, malformed: 0.05, voices: true}, 10*time.Second)
}

// TestTortureOfIncidentsOnKafka does to the groups that make incidents what TestTortureOfIncidents does on the in-process broker.
func TestTortureOfIncidentsOnKafka(t *testing.T) {
	onKafka(t, scenario{key: "record", seed: 9, kills: 3, pauses: 1, leaves: 1, stops: 1, brokerKills: 1, batch: 100, incidents: true, voices: true}, 10*time.Second)
}

// TestNotifyTortureOnKafka does to the planning of notifications what TestNotifyTorture does on the in-process broker. There the
// writers' clocks date the journal, here the broker's does, which never goes back.
func TestNotifyTortureOnKafka(t *testing.T) {
	client := kafkatest.Dial(t, realkafka.Start(t, 1).Brokers()...)
	notifyTorture(t, client, func(*rand.Rand) []kafkatest.Strike { return nil })
	last := map[int32]time.Time{}
	for _, r := range client.ReadAll(names.NotifyJournal()) {
		if r.Timestamp.Before(last[r.Partition]) {
			t.Fatalf("record %d of partition %d is dated %s, after one of %s: the broker does not date the journal", r.Offset, r.Partition, r.Timestamp, last[r.Partition])
		}
		last[r.Partition] = r.Timestamp
	}
}
