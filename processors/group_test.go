package processors_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// groups returns the groups of a stream.
func groups(t testing.TB, c processors.Config) (*processors.DetectorGroup, []runner) {
	t.Helper()
	detector, err := processors.NewDetectorGroup(c)
	if err != nil {
		t.Fatal(err)
	}
	all := []runner{detector}
	if c.Definition.Repartitioned() {
		repartition, err := processors.NewRepartitionGroup(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, repartition)
	}
	return detector, all
}

// input is the topic the detector group reads, and its group.
func input(d *streams.Definition) (topic, group string) {
	if d.Repartitioned() {
		return names.Repartition(d.Name), names.DetectorGroup(d.Name)
	}
	return names.Source(d), names.DetectorGroup(d.Name)
}

// settle waits until everything that was produced is processed.
func settle(t testing.TB, c *kafkatest.Client, d *streams.Definition, within time.Duration) {
	t.Helper()
	if d.Repartitioned() {
		c.AwaitCommitted(names.RepartitionGroup(d.Name), names.Source(d), within)
	}
	topic, group := input(d)
	c.AwaitCommitted(group, topic, within)
}

// TestStreamFromTopicToAnomalies runs the groups of a stream for each key rule, with malformed records of every kind, over a
// restart, and compares every anomaly and dead letter with a sequential computation.
func TestStreamFromTopicToAnomalies(t *testing.T) {
	t.Parallel()
	if len(poison) < 30 {
		t.Fatalf("only %d kinds of malformed records", len(poison))
	}
	for _, key := range []string{streams.KeyRecord, streams.KeyStream, "device"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			d := sensors(key)
			broker := kafkatest.Start(t)
			c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
			ensure(t, d, broker.Brokers(), c.Sarama)
			g := &traffic{random: rand.New(rand.NewPCG(1, 2)), entities: 5, malformed: 0.05}
			for range 2 {
				_, all := groups(t, c)
				stop := work(t, all...)
				broker.Produce(g.records(1500)...)
				settle(t, broker.Client, d, 2*kafkatest.Deadline)
				stop()
			}
			v := judge(t, broker.Client, d)
			t.Log(v)
			if !v.ok() || v.dead < 100 || v.want < v.dead+20 || v.duplicate > 0 {
				t.Errorf("got %v", v)
			}
			checkStatuses(t, broker.Client, v)
			checkRollups(t, broker.Client, v)
		})
	}
}

// checkStatuses checks that the latest statuses account for every event.
func checkStatuses(t *testing.T, c *kafkatest.Client, v verdict) {
	t.Helper()
	latest := map[string]*streams.DetectorStatus{}
	for _, r := range c.ReadAll(names.Detectors()) {
		s, err := streams.UnmarshalDetectorStatus(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if s.Key() != string(r.Key) || s.CheckpointAt.IsZero() || s.StateBytes == 0 {
			t.Fatalf("status of key %q: got key %q, checkpoint %v, %d bytes", r.Key, s.Key(), s.CheckpointAt, s.StateBytes)
		}
		latest[s.Key()] = s
	}
	seen := int64(0)
	for _, s := range latest {
		seen += s.Seen
	}
	if seen != int64(v.scored) {
		t.Errorf("the statuses account for %d events, want %d", seen, v.scored)
	}
}

// checkRollups checks that the latest rollup of every minute together account for every event.
func checkRollups(t *testing.T, c *kafkatest.Client, v verdict) {
	t.Helper()
	latest := map[string]int64{}
	for _, r := range c.ReadAll(names.Rollups()) {
		u, err := streams.UnmarshalRollup(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		latest[u.Entity+u.Minute.String()] = u.Events
	}
	events := int64(0)
	for _, n := range latest {
		events += n
	}
	if events != int64(v.scored) {
		t.Errorf("the rollups account for %d events, want %d", events, v.scored)
	}
}

// TestScoreAndReset asks a running group for the score of an event, changes the rate and resets a detector.
func TestScoreAndReset(t *testing.T) {
	t.Parallel()
	d := sensors(streams.KeyRecord)
	broker := kafkatest.Start(t)
	c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
	ensure(t, d, broker.Brokers(), c.Sarama)
	detector, all := groups(t, c)
	work(t, all...)
	g := &traffic{random: rand.New(rand.NewPCG(1, 2)), entities: 1}
	broker.Produce(g.records(300)...)
	settle(t, broker.Client, d, kafkatest.Deadline)

	event := func(temperature float64) []byte {
		return fmt.Appendf(nil, `{"at":"2026-01-01T00:00:00Z","temperature":%v,"vibration":5}`, temperature)
	}
	normal, ok, err := detector.Score("sensor-0", event(20))
	if err != nil || !ok || !normal.Result.Scored || normal.Result.Flag {
		t.Errorf("got %+v, %v, %v for a normal event", normal.Result, ok, err)
	}
	odd, ok, err := detector.Score("sensor-0", event(60))
	if err != nil || !ok || !odd.Result.Flag || odd.Result.Why == nil || odd.Status.Phase != streams.PhaseReady {
		t.Errorf("got %+v, %v, %v for an odd event", odd.Result, ok, err)
	}
	if _, ok, _ := detector.Score("sensor-9", event(20)); ok {
		t.Error("got a score for an entity that has no detector")
	}
	if _, _, err := detector.Score("sensor-0", []byte("{}")); err == nil {
		t.Error("got a score for what is no event")
	}
	if !detector.Reset("sensor-0") || detector.Reset("sensor-9") {
		t.Error("want a reset of sensor-0 only")
	}
	fresh, ok, err := detector.Score("sensor-0", event(60))
	if err != nil || !ok || fresh.Result.Scored || fresh.Status.Phase != streams.PhaseWarmUp {
		t.Errorf("got %+v, %v, %v after the reset", fresh.Result, ok, err)
	}
}

// TestBackfillNotifiesNobody starts a stream on a topic with history.
func TestBackfillNotifiesNobody(t *testing.T) {
	t.Parallel()
	for _, key := range []string{streams.KeyRecord, streams.KeyStream} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			d := sensors(key)
			broker := kafkatest.Start(t)
			c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
			ensure(t, d, broker.Brokers(), c.Sarama)
			g := &traffic{random: rand.New(rand.NewPCG(1, 2)), entities: 2}
			broker.Produce(g.records(600)...)
			history := broker.End(names.Source(d))
			_, all := groups(t, c)
			work(t, all...)
			broker.Produce(g.records(600)...)
			settle(t, broker.Client, d, kafkatest.Deadline)
			replayed, live := 0, 0
			for _, r := range broker.ReadAll(names.Anomalies()) {
				a, err := streams.UnmarshalAnomaly(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				if want := a.Source.Offset < history[a.Source.Partition]; a.Replay != want {
					t.Errorf("anomaly %s: got replay %v, want %v", a.ID, a.Replay, want)
				}
				if a.Replay {
					replayed++
				} else {
					live++
				}
			}
			if replayed == 0 || live == 0 {
				t.Errorf("got %d anomalies of backfill and %d others, want some of both", replayed, live)
			}
		})
	}
}

// TestDeadLetterOfARepartitionedRecord checks that a record the detectors refuse keeps its own key and headers.
func TestDeadLetterOfARepartitionedRecord(t *testing.T) {
	t.Parallel()
	d := sensors("device")
	d.Features = []streams.Feature{{Name: "*", Path: "*", Missing: streams.MissingReject, Direction: streams.DirectionBoth, Transforms: []string{"value"}}}
	broker := kafkatest.Start(t)
	c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
	ensure(t, d, broker.Brokers(), c.Sarama)
	_, all := groups(t, c)
	work(t, all...)
	for _, value := range []string{`{"at":1700000000,"device":"a","x":1}`, `{"at":1700000001,"device":"a","y":1}`} {
		broker.Produce(&kgo.Record{Topic: names.Source(d), Key: []byte("own key"), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("7")}}})
	}
	settle(t, broker.Client, d, kafkatest.Deadline)
	records := broker.ReadAll(names.DeadLetters())
	if len(records) != 1 {
		t.Fatalf("got %d dead letters, want the record with other features", len(records))
	}
	letter, err := streams.UnmarshalDeadLetter(records[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	if string(letter.Key) != "own key" || letter.Code != streams.CodeShape || letter.Source.Topic != names.Source(d) || letter.Source.Offset != 1 ||
		len(letter.Headers) != 1 || letter.Headers[0].Key != "trace" {
		t.Errorf("got %+v", letter)
	}
}

// TestChangedDefinitionStartsAnew swaps a detector of a stream: nothing is refused, and the detectors learn again.
func TestChangedDefinitionStartsAnew(t *testing.T) {
	t.Parallel()
	d := sensors(streams.KeyRecord)
	broker := kafkatest.Start(t)
	c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
	ensure(t, d, broker.Brokers(), c.Sarama)
	g := &traffic{random: rand.New(rand.NewPCG(1, 2)), entities: 1}
	for _, detectors := range [][]streams.DetectorSpec{d.Detectors, {{Name: "hbos", Weight: 1}}} {
		changed := *d
		changed.Detectors = detectors
		c.Definition = &changed
		detector, all := groups(t, c)
		stop := work(t, all...)
		broker.Produce(g.records(60)...)
		settle(t, broker.Client, d, kafkatest.Deadline)
		scored, ok, err := detector.Score("sensor-0", []byte(`{"at":1700009999,"temperature":20,"vibration":5}`))
		if err != nil || !ok || scored.Status.Seen != 60 || len(scored.Status.Detectors) != len(detectors) {
			t.Errorf("got status %+v, %v, %v, want 60 events seen by %d detectors", scored.Status, ok, err, len(detectors))
		}
		stop()
	}
	if n := broker.Total(names.DeadLetters()); n != 0 {
		t.Errorf("got %d dead letters", n)
	}
}
