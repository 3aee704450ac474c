package processors_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// TestVerdictsReachTheDetectors gives verdicts to a group at work, and looks at the statuses it writes: each verdict is applied
// once, also when it comes again and after a restart, in the order of their times, and not where there is no detector.
func TestVerdictsReachTheDetectors(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	d := sensors("record")
	c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
	ensure(t, d, broker.Brokers(), c.Sarama)
	load := &traffic{random: rand.New(rand.NewPCG(1, 2)), entities: 2}
	broker.Produce(load.records(300)...)

	var mu sync.Mutex
	var all []*streams.Feedback
	list := func() []*streams.Feedback {
		mu.Lock()
		defer mu.Unlock()
		return append([]*streams.Feedback{}, all...)
	}
	changed := make(chan struct{}, 1)
	say := func(f ...*streams.Feedback) {
		mu.Lock()
		all = append(all, f...)
		mu.Unlock()
		changed <- struct{}{}
	}
	at := func(n int) time.Time { return time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(n) * time.Second) }
	verdict := func(id, entity, kind string, n int) *streams.Feedback {
		return &streams.Feedback{ID: id, Action: streams.ActionVerdict, Verdict: kind, Stream: d.Name, Entity: entity, From: at(n), To: at(n + 5), Until: at(1_000_000), At: at(n)}
	}
	begin := func() (stop func()) {
		g, err := processors.NewDetectorGroup(c)
		if err != nil {
			t.Fatal(err)
		}
		end := work(t, g)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.Obey(ctx, list, changed) }()
		return sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			end()
		})
	}
	inForce := func(entity, want string) {
		t.Helper()
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			got := ""
			for _, r := range broker.ReadAll(names.Detectors()) {
				s, err := streams.UnmarshalDetectorStatus(r.Value)
				if err != nil {
					return err
				}
				if s.Entity != entity {
					continue
				}
				got = fmt.Sprint(s.RequestedRate)
				for _, v := range s.Verdicts {
					got += " " + v.ID + "=" + v.Verdict
				}
			}
			if got != want {
				return fmt.Errorf("%s: got %q, want %q", entity, got, want)
			}
			return nil
		})
	}

	stop := begin()
	defer func() { stop() }()
	back := &streams.Feedback{ID: "w", Action: streams.ActionWithdraw, Withdraw: "n1", Stream: d.Name, Entity: "sensor-1", Until: at(1_000_000), At: at(400)}
	say(verdict("n2", "sensor-0", streams.VerdictNoise, 200), verdict("n1", "sensor-0", streams.VerdictNoise, 100), verdict("gone", "sensor-9", streams.VerdictReal, 3))
	inForce("sensor-0", "0.025 n1=noise n2=noise")
	say(verdict("n1", "sensor-1", streams.VerdictNoise, 100)) // The id is taken, but not for this detector.
	inForce("sensor-1", "0.05 n1=noise")
	say(back)
	inForce("sensor-1", "0.05")
	say(verdict("n2", "sensor-0", streams.VerdictNoise, 200), verdict("r", "sensor-0", streams.VerdictReal, 150))
	inForce("sensor-0", "0.025 n1=noise r=real n2=noise")
	stop()

	say(verdict("n3", "sensor-0", streams.VerdictNoise, 250)) // Nobody is at work: the next session applies it.
	stop = begin()
	inForce("sensor-0", "0.0125 n1=noise r=real n2=noise n3=noise")
	broker.Produce(load.records(200)...)
	settle(t, broker.Client, d, time.Minute)
	inForce("sensor-0", "0.0125 n1=noise r=real n2=noise n3=noise")
}
