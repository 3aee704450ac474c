//go:build postgres

package sink

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/pgtest"
	"anomalystream/sink/reading"
	"anomalystream/streams"
)

// numbered makes anomalies from number from on, of many entities, spread over a few weeks.
func numbered(from, n int) []Emitted {
	out := make([]Emitted, n)
	for i := range out {
		a := sample(from + i)
		a.Entity = fmt.Sprintf("entity-%d", (from+i)%977)
		a.Timestamp = epoch.Add(time.Duration(from+i) * time.Second)
		out[i] = a
	}
	return out
}

// TestRefusedRowIsIsolated writes rows that Postgres refuses among good ones.
func TestRefusedRowIsIsolated(t *testing.T) {
	b := newBroker(t)
	store := open(t, Config{URL: pgtest.Start(t).Database(t)})
	all := numbered(0, 1000)
	bad := map[int]bool{0: true, 333: true, 334: true, 999: true}
	var good []Emitted
	for i := range all {
		if bad[i] {
			all[i].Why.Sentence = "a NUL: \x00"
			continue
		}
		good = append(good, all[i])
	}
	b.Produce(records(t, all)...)
	start(t, store, b.Brokers(), nil)
	awaitStored(b)
	holds(t, store, good)
	letters := b.ReadAll(topics.DeadLetters())
	if len(letters) != len(bad) {
		t.Fatalf("%d dead letters, want %d", len(letters), len(bad))
	}
	for _, r := range letters {
		l, err := streams.UnmarshalDeadLetter(r.Value)
		if err != nil || l.Code != streams.CodeRefused || l.Stream == "" || !strings.Contains(l.Reason, "22021") {
			t.Errorf("dead letter %+v, %v", l, err)
		}
	}
}

// TestOutage stops Postgres, as a crash does, while the sink writes, fills Kafka with large records meanwhile, and starts it again.
func TestOutage(t *testing.T) {
	server := pgtest.Start(t)
	if !server.Own() {
		t.Fatal("PG_DSN is set: the outage needs a server of its own")
	}
	b := newBroker(t)
	store := open(t, Config{URL: server.Database(t)})
	all := numbered(0, 4400)
	padding := strings.Repeat("word ", 100_000) // 0.5 MB: with these alone, an unbounded sink would hold 200 MB more.
	for i := 4000; i < 4400; i++ {
		all[i].Why.Sentence = padding
	}
	in := records(t, all)
	b.Produce(in[:2000]...)
	c, _ := start(t, store, b.Brokers(), nil)
	b.AwaitCommitted(topics.SinkGroup(), topics.Anomalies(), kafkatest.Deadline)
	before := heap()
	server.Stop()
	b.Produce(in[2000:]...) // Compressed: the broker's copy is small.
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if c.Ready(t.Context()) == nil {
			return errors.New("the sink does not say that the store is away")
		}
		return nil
	})
	kafkatest.Elapse(5 * time.Second)
	// Of each of 4 partitions: a batch, what waits behind it, and a response of Kafka being read.
	if grown := heap() - before; grown > 4*(batchBytes+reading.Buffered<<19+12<<20) {
		t.Errorf("the sink holds %d MB more than before the outage", grown>>20)
	} else {
		t.Logf("the sink holds %d MB more than before the outage", grown>>20)
	}
	server.StartAgain()
	began := time.Now()
	awaitStored(b)
	t.Logf("2,400 records, 200 MB of them large, were stored %s after the return", time.Since(began).Round(time.Millisecond))
	holds(t, store, all)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	if letters := b.Total(topics.DeadLetters()); letters != 0 {
		t.Errorf("%d dead letters of an outage", letters)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestKill ends the sink as kill -9 does, again and again in mid-batch, with another sink beside it.
func TestKill(t *testing.T) {
	b := newBroker(t)
	dsn := pgtest.Start(t).Database(t)
	store := open(t, Config{URL: dsn})
	environment := []string{"SINK_STORE=" + dsn, "SINK_BROKERS=" + strings.Join(b.Brokers(), ",")}
	spawn := func() *kafkatest.Process { return kafkatest.Spawn(t, "sink", environment...) }
	all := numbered(0, 20_000)
	in := records(t, all)
	other, victim := spawn(), spawn()
	random := rand.New(rand.NewPCG(7, 7))
	var written atomic.Int64
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for i := 0; i < len(in); i += 500 {
			b.ProduceAsync(in[i : i+500]...)
			written.Add(500)
			kafkatest.Elapse(50 * time.Millisecond)
		}
	}()
	const kills = 6
	for k := range kills {
		want := (k + 1) * len(all) / (kills + 2)
		kafkatest.Eventually(t, 3*kafkatest.Deadline, func() error {
			if n := rowsOf(t, store, "anomalies"); n < want {
				return fmt.Errorf("%d rows, want %d before the next kill\n%s\n%s", n, want, victim.Output(), other.Output())
			}
			return nil
		})
		kafkatest.Elapse(time.Duration(random.IntN(40)) * time.Millisecond)
		victim.Kill()
		victim, other = other, spawn() // In turns: both die.
	}
	<-fed
	awaitStored(b)
	holds(t, store, all)
	if st, err := store.Stats(t.Context()); err != nil || len(st) != 3 || st[0].Anomalies+st[1].Anomalies+st[2].Anomalies != int64(len(all)) {
		t.Errorf("totals: %+v, %v", st, err)
	}
}

// TestSinksBesideEachOther runs two groups, so that every record is written twice at the same time.
func TestSinksBesideEachOther(t *testing.T) {
	b := newBroker(t)
	dsn := pgtest.Start(t).Database(t)
	store := open(t, Config{URL: dsn})
	all := numbered(0, 5000)
	in := append(records(t, all), func() (out []*kgo.Record) {
		for i := range 3000 {
			r := rollup(fmt.Sprintf("entity-%d", i%50), i%120, int64(i))
			value, err := streams.MarshalRollup(&r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, &kgo.Record{Topic: topics.Rollups(), Partition: int32(i % 50 % 4), Value: value})
		}
		return out
	}()...)
	b.Produce(in...)
	first, _ := start(t, store, b.Brokers(), nil)
	second, _ := start(t, open(t, Config{URL: dsn}), b.Brokers(), func(c *ConsumerConfig) { c.Group += "-other" })
	awaitStored(b)
	b.AwaitCommitted(topics.SinkGroup()+"-other", topics.Anomalies(), 3*kafkatest.Deadline)
	b.AwaitCommitted(topics.SinkGroup()+"-other", topics.Rollups(), 3*kafkatest.Deadline)
	holds(t, store, all)
	if got := metric(t, first, "anomalystream_sink_duplicates_total") + metric(t, second, "anomalystream_sink_duplicates_total"); got != 5000 {
		t.Errorf("%v duplicates, want 5000", got)
	}
}
