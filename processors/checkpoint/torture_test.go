//go:build unix

package checkpoint_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// The size of the torture. The defaults suit every run of the tests; docs/torture.md has the full size.
var (
	tortureKills  = flag.Int("torture.kills", 3, "instances killed")
	torturePauses = flag.Int("torture.pauses", 1, "instances stopped for longer than their session")
	tortureLeaves = flag.Int("torture.leaves", 1, "instances that leave and come back")
	tortureFaults = flag.Int("torture.faults", 3, "times that the broker refuses records")
	tortureSeed   = flag.Uint64("torture.seed", 1, "seed of the order of events")
)

func TestMain(m *testing.M) {
	kafkatest.Main(m, map[string]func(){"ledger": ledgerProcess})
}

// ledgerProcess is an instance of the ledger group in a process of its own.
func ledgerProcess() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	k := checkpoint.Kafka{
		Brokers: strings.Split(os.Getenv("LEDGER_BROKERS"), ","), InstanceID: os.Getenv("LEDGER_INSTANCE"),
		Hasher: streams.NewHasher, Session: 2 * time.Second, Flush: time.Millisecond,
	}
	config, err := k.Sarama()
	if err != nil {
		panic(err)
	}
	interval := 200 * time.Millisecond
	if text := os.Getenv("LEDGER_INTERVAL"); text != "" {
		if interval, err = time.ParseDuration(text); err != nil {
			panic(err)
		}
	}
	g, err := checkpoint.New(checkpoint.Config[*account]{
		Group: "ledger", Input: "in", Outputs: []string{"out", "dead", "status"}, Stateful: true, NewApp: newLedger,
		Brokers: k.Brokers, Sarama: config, Hasher: streams.NewHasher, Interval: interval,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		panic(err)
	}
	go obeyOrders(ctx, k.Brokers, g)
	if err := g.Run(ctx); err != nil {
		panic(err)
	}
}

// obeyOrders carries out the orders of a topic, in every session all that are new to it: as views and groups do it with
// feedback. The key of a record is the key it is for, the value the order's number.
func obeyOrders(ctx context.Context, brokers []string, g *ledgerGroup) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	var all []*kgo.Record
	done, session := map[string]bool{}, int64(0)
	for ctx.Err() == nil {
		poll, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		all = append(all, client.PollFetches(poll).Records()...)
		cancel()
		if now := g.Sessions(); now != session {
			clear(done)
			session = now
		}
		for _, r := range all {
			id, _ := strconv.ParseUint(string(r.Value), 10, 64)
			if done[string(r.Value)] {
				continue
			}
			_, err := g.Intervene(ctx, string(r.Key), func(a *account) bool { return a.obey(id) })
			done[string(r.Value)] = err == nil
		}
	}
}

// TestTorture kills, pauses and removes two instances of a group under load while the broker refuses records now and then,
// and compares what they wrote with a sequential computation.
func TestTorture(t *testing.T) {
	t.Parallel()
	broker := start(t)
	s := newSystem(t, broker.Client, 4)
	s.CreateTopic("orders", 1)
	random := rand.New(rand.NewPCG(*tortureSeed, 0))
	ring := kafkatest.NewRing(t, 2, random, func(i int) *kafkatest.Process {
		return kafkatest.Spawn(t, "ledger", "LEDGER_BROKERS="+strings.Join(s.Brokers(), ","), fmt.Sprintf("LEDGER_INSTANCE=node-%d", i))
	})
	defer func() {
		if t.Failed() {
			t.Logf("%.20000s", ring.Outputs())
		}
	}()
	var strikes []kafkatest.Strike
	add := func(n int, name string, do func()) {
		for range n {
			strikes = append(strikes, kafkatest.Strike{Name: name, Do: do})
		}
	}
	add(*tortureKills, "kill", ring.Kill)
	add(*torturePauses, "pause", func() { ring.Pause(4 * time.Second) })
	add(*tortureLeaves, "leave", func() { ring.Leave(200 * time.Millisecond) })
	add(*tortureFaults, "refuse", func() {
		topic := []string{"out", "dead", checkpoint.TableOf("ledger")}[random.IntN(3)]
		broker.FailProduce(topic, 1+random.IntN(3), []*kerr.Error{kerr.NotLeaderForPartition, kerr.InvalidRecord}[random.IntN(2)])
	})
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // What comes before the first start counts as backfill.
		if c := s.Committed("ledger", "in"); len(c) < s.partitions {
			return fmt.Errorf("the group has committed where it starts for %v", c)
		}
		return nil
	})
	load := &ledgerLoad{system: s, random: rand.New(rand.NewPCG(*tortureSeed, 1)), keys: names(100), orders: map[uint64]string{}}
	ring.Trouble(strikes, 600*time.Millisecond, load.batch)
	s.AwaitCommitted("ledger", "in", 2*time.Minute)
	orders := s.obeyed(load.orders)
	ring.End()
	v := judgeOrders(t, s.Client, orders)
	t.Logf("messages %d, interventions %d, kills %d, pauses %d, leaves %d, refusals %d: %v", s.Total("in"), len(load.orders), *tortureKills, *torturePauses, *tortureLeaves, *tortureFaults, v)
	if !v.ok() || v.want == 0 {
		t.Error("output is not what a sequential computation gives")
	}
}

// ledgerLoad produces batches of messages, some of them malformed and a few that panic.
type ledgerLoad struct {
	*system
	random *rand.Rand
	keys   []string
	n      int
	orders map[uint64]string // Key of each order given.
}

func (l *ledgerLoad) batch() {
	var records []*kgo.Record
	for range 200 {
		l.n++
		key := l.keys[l.random.IntN(len(l.keys))]
		value := fmt.Sprint(l.random.Uint64())
		switch dice := l.random.IntN(20_000); {
		case dice < 200:
			value = fmt.Sprintf("malformed %d", l.n)
		case dice == 200:
			value = "boom"
		case dice == 201:
			value = "big"
		}
		records = append(records, &kgo.Record{Topic: "in", Key: []byte(key), Value: []byte(value), Partition: streams.Partition([]byte(key), int32(l.partitions))})
	}
	l.Produce(records...)
	if l.random.IntN(3) == 0 {
		l.n++
		key := l.keys[l.random.IntN(len(l.keys))]
		l.orders[uint64(l.n)] = key
		l.Produce(&kgo.Record{Topic: "orders", Key: []byte(key), Value: fmt.Append(nil, l.n)})
	}
	kafkatest.Elapse(20 * time.Millisecond)
}
