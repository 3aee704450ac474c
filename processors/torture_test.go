//go:build unix

package processors_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// The size of the torture. The defaults suit every run of the tests; docs/torture.md has the full size and its commands.
var (
	tortureKills     = flag.Int("torture.kills", 2, "instances killed")
	torturePauses    = flag.Int("torture.pauses", 1, "instances stopped for longer than their session")
	tortureLeaves    = flag.Int("torture.leaves", 1, "instances that leave and come back")
	tortureFaults    = flag.Int("torture.faults", 2, "times that the broker refuses records")
	tortureMalformed = flag.Float64("torture.malformed", 0.05, "share of malformed records")
	tortureBatch     = flag.Int("torture.batch", 100, "records in each batch of the load, every 20 ms")
	tortureKey       = flag.String("torture.key", "device", "key rule of the stream: record, stream or device")
	tortureSeed      = flag.Uint64("torture.seed", 1, "seed of the load and of the order of events")
)

func TestMain(m *testing.M) {
	kafkatest.Main(m, map[string]func(){"sensors": sensorsProcess, "broker": brokerProcess})
}

// sensorsProcess runs the groups of the stream in a process of its own.
func sensorsProcess() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := sensorsGroups(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sensorsGroups(ctx context.Context) error {
	d := sensors(os.Getenv("SENSORS_KEY"))
	c, err := groupConfig(d, strings.Split(os.Getenv("SENSORS_BROKERS"), ","), os.Getenv("SENSORS_INSTANCE"), tortureSession, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	detector, err := processors.NewDetectorGroup(c)
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return detector.Run(ctx) })
	if d.Repartitioned() {
		repartition, err := processors.NewRepartitionGroup(c)
		if err != nil {
			return err
		}
		work.Go(func() error { return repartition.Run(ctx) })
	}
	return work.Wait()
}

// tortureSession is short, so that a paused instance loses its partitions soon.
const tortureSession = 2 * time.Second

// torture is a stream's groups in two processes under load.
type torture struct {
	t       *testing.T
	client  *kafkatest.Client
	d       *streams.Definition
	random  *rand.Rand
	ring    *kafkatest.Ring
	traffic *traffic
	strikes []kafkatest.Strike
	counts  []string
}

// newTorture creates the topics and starts two processes.
func newTorture(t *testing.T, client *kafkatest.Client) *torture {
	t.Helper()
	d := sensors(*tortureKey)
	ensure(t, d, client.Brokers(), sensorsConfig(t, d, client.Brokers(), "", tortureSession).Sarama)
	x := &torture{
		t: t, client: client, d: d, random: rand.New(rand.NewPCG(*tortureSeed, 0)),
		traffic: &traffic{random: rand.New(rand.NewPCG(*tortureSeed, 1)), entities: 40, malformed: *tortureMalformed},
	}
	x.ring = kafkatest.NewRing(t, 2, x.random, func(i int) *kafkatest.Process {
		return kafkatest.Spawn(t, "sensors", "SENSORS_BROKERS="+strings.Join(client.Brokers(), ","), "SENSORS_KEY="+d.Key, fmt.Sprintf("SENSORS_INSTANCE=node-%d", i))
	})
	groups := map[string]string{names.DetectorGroup(d.Name): names.Source(d)}
	if d.Repartitioned() {
		groups = map[string]string{names.DetectorGroup(d.Name): names.Repartition(d.Name), names.RepartitionGroup(d.Name): names.Source(d)}
	}
	for group, topic := range groups { // What comes before the first start of a group counts as backfill.
		kafkatest.Eventually(t, 2*kafkatest.Deadline, func() error {
			if c := client.Committed(group, topic); len(c) < 4 {
				return fmt.Errorf("group %s has committed where it starts for %v", group, c)
			}
			return nil
		})
	}
	x.add(*tortureKills, "kills", x.ring.Kill)
	x.add(*torturePauses, "pauses", func() { x.ring.Pause(2 * tortureSession) })
	x.add(*tortureLeaves, "leaves", func() { x.ring.Leave(200 * time.Millisecond) })
	return x
}

func (x *torture) add(n int, name string, do func()) {
	for range n {
		x.strikes = append(x.strikes, kafkatest.Strike{Name: name, Do: do})
	}
	x.counts = append(x.counts, fmt.Sprintf("%s %d", name, n))
}

// run troubles the processes and judges what they wrote.
func (x *torture) run() {
	x.t.Helper()
	defer func() {
		if x.t.Failed() {
			x.t.Logf("%.10000s", x.ring.Outputs())
		}
	}()
	x.ring.Trouble(x.strikes, 600*time.Millisecond, func() {
		x.client.Produce(x.traffic.records(*tortureBatch)...)
		kafkatest.Elapse(20 * time.Millisecond)
	})
	settle(x.t, x.client, x.d, 4*time.Minute)
	x.ring.End()
	v := judge(x.t, x.client, x.d)
	x.t.Logf("key %s, %s: %v", x.d.Key, strings.Join(x.counts, ", "), v)
	if !v.ok() || v.want == 0 || v.scored == 0 {
		x.t.Error("output is not what a sequential computation gives")
	}
}
