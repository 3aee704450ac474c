//go:build unix

package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
)

// obeyed returns for each key the orders that the saved states have carried out, once all that were given are among them; the
// test fails for one carried out twice.
func (s *system) obeyed(given map[uint64]string) map[string][]order {
	s.t.Helper()
	var out map[string][]order
	kafkatest.Eventually(s.t, time.Minute, func() error {
		out = map[string][]order{}
		got := map[uint64]string{}
		for key, a := range s.accounts() {
			out[key] = a.orders
			for _, o := range a.orders {
				if _, twice := got[o.id]; twice {
					s.t.Fatalf("order %d was carried out twice", o.id)
				}
				got[o.id] = key
			}
		}
		if diff := cmp.Diff(given, got); diff != "" {
			return fmt.Errorf("orders carried out (-given +carried out):\n%s", diff)
		}
		return nil
	})
	return out
}

// accounts reads the saved states of all keys.
func (s *system) accounts() map[string]*account {
	s.t.Helper()
	saved, err := checkpoint.SavedStates(newLedger(0), func(load func(string, []byte, bool)) {
		for _, r := range s.ReadAll(checkpoint.TableOf("ledger")) {
			_, chunk := r.Header("anomalystream-chunk")
			load(string(r.Key), r.Value, chunk)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return saved
}

// TestIntervention changes a key between two messages and goes on from it after restarts.
func TestIntervention(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 2)
	r := run(t, options(t, s.Brokers()))
	s.numbers(7, "a", "b")
	s.send("c", "1", "big")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	obey := func(key string, id uint64) (bool, error) {
		return r.Intervene(t.Context(), key, func(a *account) bool { return a.obey(id) })
	}
	given := map[uint64]string{1: "a", 2: "a", 3: "c"}
	for id := range 4 {
		if key, ok := given[uint64(id)]; ok {
			if owned, err := obey(key, uint64(id)); !owned || err != nil {
				t.Fatalf("order %d: got %v, %v", id, owned, err)
			}
		}
	}
	// What Intervene has answered is saved: nobody has to wait for a checkpoint.
	want := map[string][]order{"a": {{1, 7}, {2, 7}}, "b": nil, "c": {{3, 2}}}
	if diff := cmp.Diff(want, s.obeyed(given), cmp.AllowUnexported(order{})); diff != "" {
		t.Error(diff)
	}
	if owned, err := obey("absent", 9); owned || err != nil {
		t.Errorf("a key never seen: got %v, %v", owned, err)
	}
	snapshots := func() (n int) { // Of others the table may lose old chunks meanwhile.
		for _, r := range s.ReadAll(checkpoint.TableOf("ledger")) {
			if string(r.Key) == "a" {
				n++
			}
		}
		return n
	}
	before := snapshots()
	if owned, err := obey("a", 1); !owned || err != nil || snapshots() != before || before == 0 {
		t.Errorf("an order carried out before: got %v, %v, and perhaps a snapshot", owned, err)
	}
	_, err := r.Intervene(t.Context(), "a", func(a *account) bool {
		a.hash = 0
		panic("half way")
	})
	if err == nil || !strings.Contains(err.Error(), "half way") {
		t.Errorf("a panic: got %v", err)
	}
	s.numbers(7, "a", "b", "c")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if _, err := obey("a", 4); !errors.Is(err, checkpoint.ErrNotReady) {
		t.Errorf("after the end: got %v, want ErrNotReady", err)
	}
	r = run(t, options(t, s.Brokers()))
	s.numbers(7, "a", "b", "c")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if v := judgeOrders(t, s.Client, want); !v.ok() || v.want != 5 {
		t.Errorf("got %v, want 5 outputs", v)
	}
}

// TestInterventionThatIsNotSaved lets the snapshot of an intervention fail: its partition ends before another message is
// applied, and the intervention succeeds when it is tried again.
func TestInterventionThatIsNotSaved(t *testing.T) {
	t.Parallel()
	broker := start(t)
	s := newSystem(t, broker.Client, 1)
	c := options(t, s.Brokers())
	c.Interval = time.Hour // No sweep takes the fault.
	r := run(t, c)
	s.numbers(9, "a")
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { return seen(r, "a", 9) })
	broker.FailProduce(checkpoint.TableOf("ledger"), 1, kerr.InvalidRecord)
	if _, err := r.Intervene(t.Context(), "a", func(a *account) bool { return a.obey(1) }); err == nil {
		t.Fatal("the snapshot was refused, and Intervene succeeded")
	}
	s.numbers(15, "a")
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		owned, err := r.Intervene(t.Context(), "a", func(a *account) bool { return a.obey(1) })
		if !owned || err != nil {
			return fmt.Errorf("owned %v, error %w", owned, err)
		}
		return nil
	})
	orders := s.obeyed(map[uint64]string{1: "a"})
	r.end()
	if v := judgeOrders(t, s.Client, orders); !v.ok() || v.want != 2 {
		t.Errorf("got %v, want 2 outputs", v)
	}
}

func seen(r *running, key string, count uint64) error {
	got := uint64(0)
	if r.Look(key, func(a *account) { got = a.count }); got != count {
		return fmt.Errorf("key %s has seen %d messages, want %d", key, got, count)
	}
	return nil
}

// TestInterventionWaitsForThePast checks that after a restart nothing is changed before the messages are applied again that
// were applied and not committed: their output is written already.
func TestInterventionWaitsForThePast(t *testing.T) {
	t.Parallel()
	broker := start(t)
	s := newSystem(t, broker.Client, 1)
	s.CreateTopic("orders", 1)
	p := s.spawn("1h")
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if len(s.Committed("ledger", "in")) == 0 {
			return errors.New("the group has not begun")
		}
		return nil
	})
	s.numbers(30, "a")
	s.awaitTotal("out", 3)
	p.Kill()
	<-p.Exited()
	s.order(1)
	s.spawn("1h")
	want := map[string][]order{"a": {{1, 30}}}
	if diff := cmp.Diff(want, s.obeyed(map[uint64]string{1: "a"}), cmp.AllowUnexported(order{})); diff != "" {
		t.Error(diff)
	}
	if v := judgeOrders(t, s.Client, want); !v.ok() || v.want != 3 {
		t.Errorf("got %v, want 3 outputs", v)
	}
}

// TestKilledAroundAnIntervention kills the process at every point of an intervention, and compares with a computation in
// which it takes effect where the state says.
func TestKilledAroundAnIntervention(t *testing.T) {
	t.Parallel()
	table := checkpoint.TableOf("ledger")
	for name, point := range map[string]func(s *system, b *kafkatest.Broker, p *kafkatest.Process){
		"before the snapshot is there": func(s *system, b *kafkatest.Broker, p *kafkatest.Process) {
			release := b.HoldProduce(table)
			s.order(1)
			s.numbers(10, "a")
			kafkatest.Elapse(300 * time.Millisecond) // The messages stay behind the intervention.
			p.Kill()
			<-p.Exited()
			release()
		},
		"after the snapshot": func(s *system, _ *kafkatest.Broker, p *kafkatest.Process) {
			before := s.Total(table)
			s.order(1)
			s.awaitTotal(table, before+1)
			p.Kill()
			<-p.Exited()
			s.numbers(10, "a")
		},
		"after later output": func(s *system, _ *kafkatest.Broker, p *kafkatest.Process) {
			before := s.Total(table)
			s.order(1)
			s.awaitTotal(table, before+1)
			s.numbers(10, "a")
			s.awaitTotal("out", 3)
			p.Kill()
			<-p.Exited()
		},
		"between two": func(s *system, _ *kafkatest.Broker, p *kafkatest.Process) {
			before := s.Total(table)
			s.order(1)
			s.awaitTotal(table, before+1)
			s.numbers(10, "a")
			s.awaitTotal("out", 3)
			s.order(2)
			s.awaitTotal(table, before+2)
			s.numbers(10, "a")
			p.Kill()
			<-p.Exited()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			s := newSystem(t, b.Client, 1)
			s.CreateTopic("orders", 1)
			p := s.spawn("1h") // No sweep: the snapshots are those of interventions.
			kafkatest.Eventually(t, kafkatest.Deadline, func() error {
				if len(s.Committed("ledger", "in")) == 0 {
					return errors.New("the group has not begun")
				}
				return nil
			})
			s.numbers(25, "a", "b")
			s.awaitTotal("out", 4)
			point(s, b, p)
			again := s.spawn("100ms")
			s.numbers(10, "a", "b")
			given := map[uint64]string{}
			for _, r := range s.ReadAll("orders") {
				var id uint64
				_, _ = fmt.Sscan(string(r.Value), &id)
				given[id] = string(r.Key)
			}
			orders := s.obeyed(given)
			s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
			if v := judgeOrders(t, s.Client, orders); !v.ok() || v.want == 0 {
				t.Errorf("got %v with orders %v\n%.3000s\n%.3000s", v, orders, p.Output(), again.Output())
			}
		})
	}
}

// spawn starts the one process of a ledger group that makes a checkpoint every interval.
func (s *system) spawn(interval string) *kafkatest.Process {
	s.t.Helper()
	return kafkatest.Spawn(s.t, "ledger", "LEDGER_BROKERS="+strings.Join(s.Brokers(), ","), "LEDGER_INSTANCE=one", "LEDGER_INTERVAL="+interval)
}

// order gives an order on the key "a" to the processes.
func (s *system) order(id uint64) {
	s.t.Helper()
	s.Produce(&kgo.Record{Topic: "orders", Key: []byte("a"), Value: fmt.Append(nil, id)})
}

// awaitTotal waits until a topic has had so many records.
func (s *system) awaitTotal(topic string, n int64) {
	s.t.Helper()
	kafkatest.Eventually(s.t, kafkatest.Deadline, func() error {
		if got := s.Total(topic); got < n {
			return fmt.Errorf("topic %s has %d records, want %d", topic, got, n)
		}
		return nil
	})
}

// TestInterventionGivesUpWaiting checks that the context ends the wait for a turn.
func TestInterventionGivesUpWaiting(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 1)
	r := run(t, options(t, s.Brokers()))
	s.numbers(5, "a")
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	ctx, cancel := context.WithCancel(t.Context())
	r.Look("a", func(*account) { // Somebody else has the turn.
		cancel()
		if _, err := r.Intervene(ctx, "a", func(*account) bool { panic("never") }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
