//go:build unix

package processors_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// notifyProcess plans notifications in a process of its own.
func notifyProcess() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := func() error {
		c, err := notifyConfig(strings.Split(os.Getenv("NOTIFY_BROKERS"), ","), os.Getenv("NOTIFY_INSTANCE"), tortureSession, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		if err != nil {
			return err
		}
		groups, ticker, err := notifyRunners(c)
		if err != nil {
			return err
		}
		work, ctx := errgroup.WithContext(ctx)
		work.Go(func() error { return ticker.Run(ctx) })
		for _, g := range groups {
			work.Go(func() error { return g.Run(ctx) })
		}
		return work.Wait()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestNotifyTorture kills, pauses and removes two processes while incidents come, some of their records repeated, and the
// broker refuses records now and then. What was planned is what a sequential computation plans from the journals: no message
// has a second key, and none is missing.
func TestNotifyTorture(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	topics := []string{names.NotifyJournal(), names.Notifications(), names.NotifyTable()}
	notifyTorture(t, broker.Client, func(random *rand.Rand) []kafkatest.Strike {
		refuse := func() {
			broker.FailProduce(topics[random.IntN(len(topics))], 1+random.IntN(3), kerr.NotLeaderForPartition)
		}
		return []kafkatest.Strike{{Name: "refusal", Do: refuse}, {Name: "refusal", Do: refuse}}
	})
}

// notifyTorture troubles two processes, with more strikes of the caller, and judges what they planned.
func notifyTorture(t *testing.T, broker *kafkatest.Client, more func(*rand.Rand) []kafkatest.Strike) {
	t.Helper()
	ensureNotify(t, broker.Brokers())
	random := rand.New(rand.NewPCG(7, 0))
	ring := kafkatest.NewRing(t, 2, random, func(i int) *kafkatest.Process {
		return kafkatest.Spawn(t, "notify", "NOTIFY_BROKERS="+strings.Join(broker.Brokers(), ","), fmt.Sprintf("NOTIFY_INSTANCE=node-%d", i))
	})
	defer func() {
		if t.Failed() {
			t.Logf("%.10000s", ring.Outputs())
		}
	}()
	kafkatest.Eventually(t, 2*kafkatest.Deadline, func() error { // What comes before the first start counts as history.
		if c := broker.Committed(names.NotifyJournalGroup(), names.Incidents()); len(c) < 4 {
			return fmt.Errorf("the group has committed where it starts for %v", c)
		}
		return nil
	})
	strikes := more(random)
	add := func(n int, name string, do func()) {
		for range n {
			strikes = append(strikes, kafkatest.Strike{Name: name, Do: do})
		}
	}
	add(4, "kill", ring.Kill)
	add(1, "pause", func() { ring.Pause(2 * tortureSession) })
	add(1, "leave", func() { ring.Leave(200 * time.Millisecond) })
	g := &storm{random: rand.New(rand.NewPCG(7, 1))}
	load := func() {
		broker.Produce(g.records()...)
		kafkatest.Elapse(30 * time.Millisecond)
	}
	ring.Trouble(strikes, 900*time.Millisecond, load)
	broker.AwaitCommitted(names.NotifyJournalGroup(), names.Incidents(), 2*time.Minute)
	ring.End()
	// The ticks have stopped with the processes: what the journals hold now is planned by one more.
	last := kafkatest.Spawn(t, "notify", "NOTIFY_BROKERS="+strings.Join(broker.Brokers(), ","), "NOTIFY_INSTANCE=node-0")
	end := broker.End(names.NotifyJournal())
	kafkatest.Eventually(t, 2*time.Minute, func() error {
		committed := broker.Committed(names.NotifyGroup(), names.NotifyJournal())
		for p, offset := range end {
			if committed[p] < offset {
				return fmt.Errorf("partition %d is planned up to %d of %d", p, committed[p], offset)
			}
		}
		return nil
	})
	last.Terminate()
	<-last.Exited()
	want, got := recompute(t, broker), planned(t, broker)
	missing, extra, differing := 0, 0, 0
	for key, message := range want {
		if other, ok := got[key]; !ok {
			missing++
		} else if other != message {
			differing++
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			extra++
		}
	}
	t.Logf("%d incidents, %d records in the journals, %d messages %v", g.n, broker.Total(names.NotifyJournal()), len(want), events(t, want))
	if missing+extra+differing > 0 || len(want) < 50 {
		t.Errorf("of %d messages %d are missing, %d differ, %d are extra", len(want), missing, differing, extra)
	}
}

// storm makes incidents that open, change and end; now and then the records of one are repeated as after a crash.
type storm struct {
	random *rand.Rand
	n      int
	open   []*kgo.Record
}

func (g *storm) records() (out []*kgo.Record) {
	for range 1 + g.random.IntN(3) {
		g.n++
		stream := []string{"payments", "web"}[g.random.IntN(2)]
		id := fmt.Sprintf("i%d", g.n)
		story := []*kgo.Record{change(stream, id, 1, streams.ChangeOpened), change(stream, id, 2, streams.ChangeWorsened), change(stream, id, 3, streams.ChangeRecovered)}
		out = append(out, story[0])
		g.open = append(g.open, story[1:]...)
		if g.random.IntN(10) == 0 {
			out = append(out, change(stream, id, 1, streams.ChangeOpened))
		}
	}
	for len(g.open) > 40 {
		r := g.open[0]
		g.open = g.open[1:]
		out = append(out, &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Partition: r.Partition})
	}
	return out
}
