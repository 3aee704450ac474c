package checkpoint_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"anomalystream/internal/embedded"
	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// TestGroupGoesOnWhereItStopped runs a group, stops it in order, writes more and runs it again.
func TestGroupGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 4)
	c := options(t, s.Brokers())
	keys := names(20)
	r := run(t, c)
	s.numbers(100, keys...)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	before := s.Total("out")

	s.numbers(55, keys...)
	r = run(t, c)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if v := judge(t, s.Client); !v.ok() || v.want != 20*15 || v.duplicates != 0 {
		t.Errorf("got %v, want 300 wanted and no duplicates after orderly stops", v)
	}
	if before != 200 {
		t.Errorf("got %d outputs before the restart, want 200", before)
	}
}

// TestCommitWaitsForOutput holds the acknowledgement of one output, lets later messages be acknowledged, and looks at what is
// committed.
func TestCommitWaitsForOutput(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SleepOutOfOrder())
	s := newSystem(t, broker.Client, 1)
	for topic, node := range map[string]int32{"in": 0, checkpoint.TableOf("ledger"): 0, "status": 0, "out": 1} {
		if err := broker.Cluster.MoveTopicPartition(topic, 0, node); err != nil {
			t.Fatal(err)
		}
	}
	run(t, options(t, s.Brokers()))
	s.numbers(9, "a")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)

	release := sync.OnceFunc(broker.HoldProduce("out"))
	defer release()
	s.send("a", "9") // The tenth: it has output.
	s.numbers(50, "b")
	snapshots := func() (n int) {
		for _, r := range s.ReadAll(checkpoint.TableOf("ledger")) {
			if string(r.Key) == "b" {
				n++
			}
		}
		return n
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // Two sweeps later the gate has had its chance to fail.
		if n := snapshots(); n < 1 {
			return fmt.Errorf("%d snapshots of b", n)
		}
		return nil
	})
	if got := s.Committed("ledger", "in")[0]; got != 9 {
		t.Errorf("got %d committed while the output of offset 9 is not acknowledged, want 9", got)
	}
	release()
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if v := judge(t, s.Client); !v.ok() {
		t.Errorf("got %v", v)
	}
}

// TestOutputThatIsRefused makes the broker refuse output for good several times: the processor ends, and nothing is lost.
func TestOutputThatIsRefused(t *testing.T) {
	t.Parallel()
	broker := start(t)
	s := newSystem(t, broker.Client, 2)
	run(t, options(t, s.Brokers()))
	for i := range 3 {
		fault := broker.FailProduce([]string{"out", checkpoint.TableOf("ledger"), "dead"}[i], 1, kerr.InvalidRecord)
		s.numbers(40, names(10)...)
		s.send("x", "no number")
		if err := fault.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if v := judge(t, s.Client); !v.ok() || v.want == 0 {
		t.Errorf("got %v", v)
	}
}

// TestPanickingMessages mixes messages that panic half-way into the state with good ones, over restarts.
func TestPanickingMessages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 2)
	r := run(t, options(t, s.Brokers()))
	for i := range 30 {
		s.send("a", fmt.Sprint(i), "boom", "boom", "7")
		s.send("b", fmt.Sprint(i))
	}
	s.send("c", "1", "boom")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	s.send("a", "1", "boom", "2")
	run(t, options(t, s.Brokers()))
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if v := judge(t, s.Client); !v.ok() || v.want != 62+6+3 {
		t.Errorf("got %v, want 62 dead letters and 9 outputs", v)
	}
}

// TestDeadLettersKeepTheMessage checks that a refused message is handed over with what goka drops.
func TestDeadLettersKeepTheMessage(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 1)
	run(t, options(t, s.Brokers()))
	s.Produce(
		&kgo.Record{Topic: "in", Value: []byte("x"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("2")}, {Key: "h", Value: []byte("1")}}},
		&kgo.Record{Topic: "in", Key: []byte{}, Value: nil},
	)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	var got []string
	for _, r := range s.ReadAll("dead") {
		got = append(got, string(r.Value))
	}
	if len(got) != 2 || !strings.Contains(got[0], "null=true [{h [50]} {h [49]}]") || !strings.Contains(got[1], `"" "" null=false []`) {
		t.Errorf("got %q", got)
	}
}

// TestLargeSnapshotsAreCut saves a state larger than a record, replaces it, and goes on from it after a restart.
func TestLargeSnapshotsAreCut(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 1)
	r := run(t, options(t, s.Brokers()))
	s.send("a", "1", "big")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	s.send("a", "2")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	live := map[string]int{}
	for _, record := range s.ReadAll(checkpoint.TableOf("ledger")) {
		if len(record.Value) > 600<<10 {
			t.Errorf("a record of the table has %d bytes", len(record.Value))
		}
		if live[string(record.Key)] = len(record.Value); record.Value == nil {
			delete(live, string(record.Key))
		}
	}
	if len(live) != 4 {
		t.Errorf("got %d records alive, want one snapshot with three chunks", len(live))
	}

	r = run(t, options(t, s.Brokers()))
	s.numbers(7, "a")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if v := judge(t, s.Client); !v.ok() || v.want != 1 {
		t.Errorf("got %v, want the output of the tenth message", v)
	}
}

// TestStaleSnapshotIsIgnored writes an older snapshot after a newer one, as a paused process does that has lost its
// partition.
func TestStaleSnapshotIsIgnored(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 1)
	r := run(t, options(t, s.Brokers()))
	table := checkpoint.TableOf("ledger")
	for range 3 {
		s.numbers(5, "a")
		s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	}
	r.end()
	first := s.ReadAll(table)[0]
	s.Produce(&kgo.Record{Topic: table, Key: first.Key, Value: first.Value})

	r = run(t, options(t, s.Brokers()))
	s.numbers(5, "a")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if v := judge(t, s.Client); !v.ok() || v.want != 2 {
		t.Errorf("got %v, want the outputs of messages 10 and 20", v)
	}
}

// TestUnreadableSnapshot damages the snapshot of one key: that key's messages are refused and its snapshot is left alone, the
// others go on, and a reset cures it.
func TestUnreadableSnapshot(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 1)
	r := run(t, options(t, s.Brokers()))
	s.numbers(9, "bad", "good", "odd")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	table := checkpoint.TableOf("ledger")
	future := []byte{77, 0, 1, 2, 3}
	s.Produce(&kgo.Record{Topic: table, Key: []byte("bad"), Value: future})

	r = run(t, options(t, s.Brokers()))
	s.send("bad", "9")
	s.send("good", "9")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if r.Look("bad", func(*account) {}) || !r.Look("good", func(*account) {}) {
		t.Error("want a readable state of good and none of bad")
	}
	dead := s.ReadAll("dead")
	if len(dead) != 1 || !strings.Contains(string(dead[0].Value), "state_unreadable") || !strings.Contains(string(dead[0].Value), "version 77") {
		t.Fatalf("got dead letters %v, want one that names the version", dead)
	}
	if n := s.Total("out"); n != 1 {
		t.Errorf("got %d outputs, want the one of good", n)
	}
	var latest []byte
	for _, record := range s.ReadAll(table) {
		if string(record.Key) == "bad" {
			latest = record.Value
		}
	}
	if string(latest) != string(future) {
		t.Error("the snapshot that could not be read was overwritten")
	}

	if !r.Reset("bad") || r.Reset("absent") {
		t.Error("want a reset of bad, and none of a key that does not exist")
	}
	s.numbers(10, "bad")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	r = run(t, options(t, s.Brokers()))
	count := uint64(0)
	if !r.Look("bad", func(a *account) { count = a.count }) || count != 10 {
		t.Errorf("got a count of %d after the reset and a restart, want 10", count)
	}
}

// TestResetOfAStoppedGroup deletes the state of one key, then of all, and refuses to while the group runs.
func TestResetOfAStoppedGroup(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 2)
	c := options(t, s.Brokers())
	topics := checkpoint.Topics{Brokers: s.Brokers(), Sarama: c.Sarama, Log: slog.New(slog.DiscardHandler)}
	r := run(t, c)
	s.numbers(9, names(5)...)
	s.send("key-0", "big")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if _, err := topics.Reset(t.Context(), "ledger"); !errors.Is(err, checkpoint.ErrGroupActive) {
		t.Errorf("got %v while the group runs, want ErrGroupActive", err)
	}
	r.end()
	counts := func() (out []uint64) {
		r := run(t, options(t, s.Brokers()))
		defer r.end()
		for _, key := range names(5) {
			n := uint64(0)
			r.Look(key, func(a *account) { n = a.count })
			out = append(out, n)
		}
		return out
	}
	if n, err := topics.Reset(t.Context(), "ledger", "key-0", "key-3", "absent"); n != 2 || err != nil {
		t.Errorf("got %d deleted (%v), want 2", n, err)
	}
	if diff := cmp.Diff([]uint64{0, 9, 9, 0, 9}, counts()); diff != "" {
		t.Error(diff)
	}
	if n, err := topics.Reset(t.Context(), "ledger"); n != 3 || err != nil {
		t.Errorf("got %d deleted (%v), want 3", n, err)
	}
	if diff := cmp.Diff([]uint64{0, 0, 0, 0, 0}, counts()); diff != "" {
		t.Error(diff)
	}
}

// TestRebalance lets a second process join and leave while messages come.
func TestRebalance(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 4)
	r := run(t, options(t, s.Brokers()))
	keys := names(40)
	s.numbers(20, keys...)
	second := run(t, options(t, s.Brokers()))
	s.numbers(20, keys...)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	second.end()
	s.numbers(20, keys...)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if v := judge(t, s.Client); !v.ok() || v.want != 240 || v.duplicates != 0 {
		t.Errorf("got %v, want 240 and no duplicates", v)
	}
}

// TestBackfillAndStart starts new groups at different places and restarts them.
func TestBackfillAndStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		start          checkpoint.Start
		backfill, live int // Outputs marked as backfill, and not.
	}{
		"earliest": {checkpoint.Start{}, 3, 2},
		"latest":   {checkpoint.Start{Latest: true}, 0, 2},
		"back":     {checkpoint.Start{Back: time.Hour}, 2, 2},
		"at":       {checkpoint.Start{At: time.Now().Add(-time.Hour)}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, start(t).Client, 1)
			for i := range 30 {
				age := 0 * time.Hour
				if i < 10 {
					age = 5 * time.Hour
				}
				s.Produce(&kgo.Record{Topic: "in", Key: []byte("a"), Value: []byte("1"), Timestamp: time.Now().Add(-age)})
			}
			c := options(t, s.Brokers())
			c.Start = test.start
			r := run(t, c)
			s.numbers(10, "a")
			s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
			r.end()
			r = run(t, c)
			s.numbers(10, "a")
			s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
			r.end()
			backfill, live := 0, 0
			for _, record := range s.ReadAll("out") {
				if strings.HasSuffix(string(record.Value), "backfill true") {
					backfill++
				} else {
					live++
				}
			}
			if backfill != test.backfill || live != test.live {
				t.Errorf("got %d outputs of backfill and %d others, want %d and %d", backfill, live, test.backfill, test.live)
			}
		})
	}
}

// TestBrokerThatIsAway takes the broker away for a while, and has it come back with its data.
func TestBrokerThatIsAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker, err := embedded.Start(embedded.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	addr := broker.Brokers()[0]
	s := newSystem(t, kafkatest.Dial(t, addr), 2)
	r := run(t, options(t, s.Brokers()))
	s.numbers(25, names(4)...)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // Some is committed, some is not.
		if len(s.Committed("ledger", "in")) == 0 {
			return errors.New("nothing is committed")
		}
		return nil
	})
	broker.Close()
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "ledger") {
			return fmt.Errorf("got health %v without a broker", err)
		}
		return nil
	})
	if broker, err = embedded.Start(embedded.Config{DataDir: dir, Addr: addr}); err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	kafkatest.Eventually(t, 2*kafkatest.Deadline, r.Ready)
	s.numbers(25, names(4)...)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if v := judge(t, s.Client); !v.ok() || v.want != 20 {
		t.Errorf("got %v, want 20", v)
	}
	r.end()
}

// TestRecreatedTopicIsNoticed deletes the input and creates it again: its messages must not pass for old ones.
func TestRecreatedTopicIsNoticed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 1)
	r := run(t, options(t, s.Brokers()))
	s.numbers(20, "a")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if _, err := s.Admin.DeleteTopics(t.Context(), "in"); err != nil {
		t.Fatal(err)
	}
	s.Client = kafkatest.Dial(t, s.Brokers()...) // The old one knows the old topic.
	s.CreateTopic("in", 1)
	s.numbers(5, "a")

	g, err := checkpoint.New(options(t, s.Brokers()))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Run(t.Context()) }()
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if err := g.Ready(); err == nil || !strings.Contains(err.Error(), "topic in, partition 0 ends at offset 5") {
			return fmt.Errorf("got health %v, want it to name the topic", err)
		}
		return nil
	})
}

// TestFencedMemberStartsAgain makes the coordinator disown a member in the middle of its work.
func TestFencedMemberStartsAgain(t *testing.T) {
	t.Parallel()
	broker := start(t)
	s := newSystem(t, broker.Client, 2)
	run(t, options(t, s.Brokers()))
	s.numbers(30, names(5)...)
	fault := broker.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
	s.numbers(30, names(5)...)
	if err := fault.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	s.numbers(30, names(5)...)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if v := judge(t, s.Client); !v.ok() || v.want != 45 {
		t.Errorf("got %v, want 45", v)
	}
}

// TestKeysStayWithTheirPartition writes keys to partitions another hash chose, as a foreign producer may.
func TestKeysStayWithTheirPartition(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 4)
	foreign := func(n int) {
		for i := range n {
			for k, key := range names(8) {
				p := (streams.Partition([]byte(key), 4) + 1 + int32(k)%3) % 4
				s.Produce(&kgo.Record{Topic: "in", Key: []byte(key), Value: fmt.Append(nil, i), Partition: p})
			}
		}
	}
	r := run(t, options(t, s.Brokers()))
	foreign(7)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	run(t, options(t, s.Brokers()))
	foreign(7)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if v := judge(t, s.Client); !v.ok() || v.want != 8 {
		t.Errorf("got %v, want one output of each key", v)
	}
}

// TestMetrics checks what the metrics say of a group, and that none of them is labelled by key.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 2)
	registry := prometheus.NewRegistry()
	c := options(t, s.Brokers())
	c.Metrics = checkpoint.NewMetrics(registry)
	r := run(t, c)
	s.numbers(10, names(6)...)
	s.send("key-1", "boom")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	if err := r.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "anomalystream_group_")
			for _, l := range m.GetLabel() {
				if l.GetName() != "group" && l.GetName() != "code" {
					t.Errorf("metric %s has the label %s", f.GetName(), l.GetName())
				}
				if l.GetName() == "code" {
					name += " " + l.GetValue()
				}
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"running": 1, "keys": 6, "partitions": 2, "unreadable_keys": 0, "restarts_total": 1, "uncommitted_messages": 0, "lag_messages": 0,
		"refused_messages_total panic": 1, "refused_messages_total state_unreadable": 0,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	if got["snapshots_total"] < 6 || got["last_checkpoint_timestamp_seconds"] == 0 {
		t.Errorf("got %v", got)
	}
}

func TestConfigNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := checkpoint.New(checkpoint.Config[*account]{Group: "g"})
	if err == nil {
		t.Fatal("an empty configuration was accepted")
	}
	for _, want := range []string{"Input", "NewApp", "Brokers", "Sarama", "Hasher"} {
		if !strings.Contains(err.Error(), want+" is not set") {
			t.Errorf("got %q, want it to name %s", err, want)
		}
	}
	c := options(t, []string{"127.0.0.1:1"})
	c.Sarama.Consumer.Offsets.AutoCommit.Enable = true
	if _, err := checkpoint.New(c); err == nil || errors.Is(err, nil) {
		t.Error("a client that commits by itself was accepted")
	}
}
