package sink

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// TestMain lets tests spawn a sink of its own process, and looks for goroutines that were left behind.
func TestMain(m *testing.M) {
	kafkatest.Main(m, map[string]func(){"sink": sinkProcess})
}

var topics = streams.Topics{Prefix: "t."}

// sinkProcess is a sink that runs until it is killed: see the kill test of the Postgres lane.
func sinkProcess() {
	ctx := context.Background()
	store, err := Open(ctx, Config{URL: os.Getenv("SINK_STORE"), MaxConnections: 6})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := newConsumer(store, strings.Split(os.Getenv("SINK_BROKERS"), ","), 2*time.Second, nil)
	if err == nil {
		err = c.Run(ctx)
	}
	fmt.Println(err)
}

// newConsumer returns a consumer with the client configuration of the product. Its session is short where it will be killed; one
// that only works on a busy machine must not lose it.
func newConsumer(store *Store, brokers []string, session time.Duration, change func(*ConsumerConfig)) (*Consumer, error) {
	client, err := checkpoint.Kafka{Brokers: brokers, Hasher: streams.NewHasher, Session: session}.Sarama()
	if err != nil {
		return nil, err
	}
	config := ConsumerConfig{
		Brokers: brokers, Sarama: client, Group: topics.SinkGroup(), Topics: topics, Store: store, BatchSize: 200, BatchWait: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn})), Registerer: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&config)
	}
	return NewConsumer(config)
}

// newBroker returns a broker with the topics of the sink.
func newBroker(t testing.TB) *kafkatest.Broker {
	t.Helper()
	b := kafkatest.Start(t)
	for _, topic := range consumed(topics) {
		b.CreateTopic(topic, 4, "max.message.bytes", "10000000")
	}
	return b
}

// start runs a consumer until stop is called or the test ends.
func start(t testing.TB, store *Store, brokers []string, change func(*ConsumerConfig)) (c *Consumer, stop func()) {
	t.Helper()
	c, err := newConsumer(store, brokers, 30*time.Second, change)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the sink ended with %v", err)
			}
		case <-time.After(kafkatest.Deadline):
			t.Error("the sink did not end with its context")
		}
	}
	t.Cleanup(stop)
	return c, stop
}

// records encodes anomalies, spread over the partitions of their topic by entity.
func records(t testing.TB, anomalies []Emitted) []*kgo.Record {
	t.Helper()
	out := make([]*kgo.Record, len(anomalies))
	for i := range anomalies {
		a := &anomalies[i]
		value, err := streams.MarshalAnomaly(&a.Anomaly)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = &kgo.Record{Topic: topics.Anomalies(), Partition: int32(len(a.Entity)+int(a.Entity[len(a.Entity)-1])) % 4, Key: []byte(a.Entity), Value: value, Timestamp: a.At}
	}
	return out
}

// awaitStored waits until the group has committed every topic.
func awaitStored(b *kafkatest.Broker) {
	for _, topic := range consumed(topics) {
		b.AwaitCommitted(topics.SinkGroup(), topic, 3*kafkatest.Deadline)
	}
}

// holds compares the store with what it should hold.
func holds(t testing.TB, s *Store, want []Emitted) {
	t.Helper()
	byID := map[string]streams.Anomaly{}
	for _, a := range want {
		byID[a.ID] = a.Anomaly
	}
	n := 0
	for cursor := ""; ; {
		p := page(t, s, streams.AnomalyQuery{Limit: 1000, Cursor: cursor})
		for _, a := range p.Items {
			n++
			if n <= 300 { // The rest is counted, and looked up by id.
				if diff := gocmp.Diff(byID[a.ID], a.Anomaly); diff != "" {
					t.Fatalf("anomaly %s (-written +stored):\n%s", a.ID, diff)
				}
			}
			if _, ok := byID[a.ID]; !ok {
				t.Fatalf("%s was never written, or is stored twice", a.ID)
			}
			delete(byID, a.ID)
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(byID) > 0 {
		t.Fatalf("%d of %d anomalies are missing", len(byID), len(want))
	}
}

// metric sums up the values of a counter.
func metric(t testing.TB, c *Consumer, name string) (sum float64) {
	t.Helper()
	families, err := c.cfg.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func rowsOf(t testing.TB, s *Store, table string) (n int) {
	t.Helper()
	if err := s.db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConsumerStoresEveryTopic(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	store := open(t, Config{URL: "sqlite::memory:"})
	all := samples(900)
	in := records(t, all)
	junk := func(value []byte) *kgo.Record {
		return &kgo.Record{Topic: topics.Anomalies(), Key: []byte("k"), Value: value, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}
	}
	in = append(in[:400:400], append([]*kgo.Record{junk([]byte("{\"id\": \xff")), junk(nil), junk([]byte(`{"score": 0.7}`)), junk([]byte(`{"id":"a","id":"b"}`)), junk([]byte("[]"))}, in[400:]...)...)
	r := rollup("web-1", 0, 60)
	value, err := streams.MarshalRollup(&r)
	if err != nil {
		t.Fatal(err)
	}
	in = append(in, &kgo.Record{Topic: topics.Rollups(), Value: value}, &kgo.Record{Topic: topics.Rollups(), Value: []byte("{}")})
	value, err = streams.MarshalDetectorStatus(&streams.DetectorStatus{Stream: "server_metrics", Entity: "web-1", Phase: streams.PhaseReady, LastEvent: epoch, CheckpointAt: epoch})
	if err != nil {
		t.Fatal(err)
	}
	in = append(in, &kgo.Record{Topic: topics.Detectors(), Value: value}, &kgo.Record{Topic: topics.Detectors(), Key: []byte("gone")}, &kgo.Record{Topic: topics.Detectors(), Value: []byte("{}")})
	value, err = streams.MarshalDeadLetter(&streams.DeadLetter{Stream: "server_metrics", Source: streams.Position{Topic: "server_metrics", Offset: 5}, Stage: "decode", Code: streams.CodeNotJSON, Reason: "x\x00y"})
	if err != nil {
		t.Fatal(err)
	}
	in = append(in, &kgo.Record{Topic: topics.DeadLetters(), Value: value}, &kgo.Record{Topic: topics.DeadLetters(), Value: []byte("no dead letter")})
	b.Produce(in...)
	c, _ := start(t, store, b.Brokers(), nil)
	awaitStored(b)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // The sink's own dead letters come back to it.
		if n := rowsOf(t, store, "dead_letters"); n != 8 {
			return fmt.Errorf("%d dead letters are stored, want 8", n)
		}
		return nil
	})
	holds(t, store, all)
	if r, d := rowsOf(t, store, "rollups"), rowsOf(t, store, "detectors"); r != 1 || d != 1 {
		t.Errorf("%d rollups and %d statuses, want 1 of each", r, d)
	}
	codes := map[string]int{}
	for _, record := range b.ReadAll(topics.DeadLetters()) {
		l, err := streams.UnmarshalDeadLetter(record.Value)
		if err != nil || l.Stage != stageSink {
			continue
		}
		codes[l.Code]++
		if l.Source.Topic == topics.Anomalies() && (len(l.Headers) != 1 || string(l.Key) != "k") {
			t.Errorf("the dead letter of %s lacks the record's key or headers: %+v", l.Source, l)
		}
	}
	if diff := gocmp.Diff(map[string]int{streams.CodeNotJSON: 3, streams.CodeTombstone: 1, streams.CodeMissingField: 3}, codes); diff != "" {
		t.Errorf("dead letters by code (-want +got):\n%s", diff)
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // Rows are counted after they are written.
		if got := metric(t, c, "anomalystream_sink_rows_total"); got != 900+1+1+8 {
			return fmt.Errorf("the metric says %v rows", got)
		}
		return nil
	})
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	var lag int
	if err := store.db.QueryRow(`SELECT sum(high_water - next_offset) FROM sink_progress WHERE topic = 't.anomalies'`).Scan(&lag); err != nil || lag != 0 {
		t.Errorf("the lag is %d, %v", lag, err)
	}
}

func TestConsumersShareAndResume(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	store := open(t, Config{URL: "sqlite:" + t.TempDir() + "/shared.db"})
	all := samples(3000)
	in := records(t, all)
	first, stopFirst := start(t, store, b.Brokers(), nil)
	b.Produce(in[:1000]...)
	awaitStored(b)
	second, stopSecond := start(t, store, b.Brokers(), nil)
	b.Produce(in[1000:2000]...) // While the group shares its work anew.
	awaitStored(b)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { return second.Ready(t.Context()) })
	stopFirst()
	b.Produce(in[2000:2500]...)
	awaitStored(b)
	stopSecond()
	b.Produce(in[2500:]...)
	third, _ := start(t, store, b.Brokers(), nil)
	awaitStored(b)
	holds(t, store, all)
	rows := func(c *Consumer) float64 { return metric(t, c, "anomalystream_sink_rows_total") }
	if got := rows(first) + rows(second) + rows(third); got != 3000 {
		t.Errorf("%v rows were counted, want 3000", got)
	}
	if got := rows(third) + metric(t, third, "anomalystream_sink_duplicates_total"); got != 500 {
		t.Errorf("after a stop in order %v records were read, want the 500 new ones", got)
	}
}

// TestDeadLettersWaitForKafka lets Kafka refuse dead letters for a while, and gives it one that is too large.
func TestDeadLettersWaitForKafka(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	store := open(t, Config{URL: "sqlite::memory:"})
	b.FailProduce(topics.DeadLetters(), 6, kerr.NotEnoughReplicas)
	b.Produce(&kgo.Record{Topic: topics.Anomalies(), Value: bytes.Repeat([]byte("x"), 900_000)}, &kgo.Record{Topic: topics.Anomalies(), Value: []byte("y")})
	start(t, store, b.Brokers(), nil)
	awaitStored(b)
	letters := b.ReadAll(topics.DeadLetters())
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	for _, r := range letters {
		l, err := streams.UnmarshalDeadLetter(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if large := l.Source.Offset == 0; large != (l.Value == nil) || large != strings.Contains(l.Reason, "too large to keep here") {
			t.Errorf("the dead letter of %s has %d bytes of its record, reason %q", l.Source, len(l.Value), l.Reason)
		}
	}
}
