package checkpoint_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/embedded"
	"anomalystream/internal/freeport"
	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
)

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

// TestBrokerThatIsAway takes the broker away for a while, and has it come back with its data.
func TestBrokerThatIsAway(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeport.Address(t)
	broker, err := embedded.Start(embedded.Config{DataDir: dir, Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
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
