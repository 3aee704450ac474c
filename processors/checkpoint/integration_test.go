package checkpoint_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
