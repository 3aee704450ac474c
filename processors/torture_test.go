//go:build unix

package processors_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// scenario says what happens to a stream's groups, in which order is drawn from the seed.
type scenario struct {
	name string
	key  string // Key rule of the stream: record, stream or device.
	seed uint64

	guarded bool // With rules, windows, a feature that may be stuck, late events.

	kills       int // Instances killed.
	pauses      int // Instances stopped for longer than their session.
	leaves      int // Instances that leave in order and come back.
	refusals    int // Times that the broker refuses records, where the broker is ours.
	stops       int // Brokers stopped in order for a time, on a cluster.
	brokerKills int // Brokers killed and started again, on a cluster.

	batch     int     // Records in each batch of the load, one every 20 ms.
	malformed float64 // Share of malformed records.
	records   int     // Records to produce at least.

	incidents bool // The processes make incidents too.
	voices    bool // People say something about what is found.
}

func TestMain(m *testing.M) {
	kafkatest.Main(m, map[string]func(){"sensors": sensorsProcess, "broker": brokerProcess, "notify": notifyProcess})
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
	if os.Getenv("SENSORS_GUARDED") == "true" {
		guard(d)
	}
	brokers := strings.Split(os.Getenv("SENSORS_BROKERS"), ",")
	c, err := groupConfig(d, brokers, os.Getenv("SENSORS_INSTANCE"), tortureSession, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	detector, err := processors.NewDetectorGroup(c)
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	if os.Getenv("SENSORS_INCIDENTS") != "" {
		all, err := incidentGroups(c)
		if err != nil {
			return err
		}
		for _, g := range all {
			work.Go(func() error { return g.Run(ctx) })
		}
	}
	work.Go(func() error { return detector.Run(ctx) })
	work.Go(func() error { return obey(ctx, brokers, detector) })
	if d.Repartitioned() {
		repartition, err := processors.NewRepartitionGroup(c)
		if err != nil {
			return err
		}
		work.Go(func() error { return repartition.Run(ctx) })
	}
	return work.Wait()
}

// obey has the detectors of this process obey what the feedback topic holds.
func obey(ctx context.Context, brokers []string, g *processors.DetectorGroup) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(names.Feedback()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	var mu sync.Mutex
	rows := map[string]*streams.Feedback{}
	changed := make(chan struct{}, 1)
	go func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				f, err := streams.UnmarshalFeedback(r.Value)
				mu.Lock()
				defer mu.Unlock()
				if delete(rows, string(r.Key)); err == nil {
					rows[string(r.Key)] = f
				}
			})
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return g.Obey(ctx, func() []*streams.Feedback {
		mu.Lock()
		defer mu.Unlock()
		return slices.Collect(maps.Values(rows))
	}, changed)
}

// tortureSession is short, so that a paused instance loses its partitions soon.
const tortureSession = 2 * time.Second

// torture is a scenario at work.
type torture struct {
	scenario
	t       *testing.T
	client  *kafkatest.Client
	d       *streams.Definition
	random  *rand.Rand
	ring    *kafkatest.Ring
	traffic *traffic
	strikes []kafkatest.Strike
	people  *voices    // Nil where nobody says anything.
	log     *changelog // What the table tells of that.
	stood   []span     // When a process stood still, and a while after, until it must have noticed.
}

type span struct{ from, to time.Time }

// newTorture creates the topics and starts two processes.
func newTorture(t *testing.T, client *kafkatest.Client, sc scenario) *torture {
	t.Helper()
	d := sensors(sc.key)
	if sc.guarded {
		guard(d)
	}
	ensure(t, d, client.Brokers(), sensorsConfig(t, d, client.Brokers(), "", tortureSession).Sarama)
	x := &torture{
		scenario: sc, t: t, client: client, d: d, random: rand.New(rand.NewPCG(sc.seed, 0)),
		traffic: &traffic{random: rand.New(rand.NewPCG(sc.seed, 1)), entities: 40, malformed: sc.malformed, unruly: sc.guarded},
	}
	if sc.incidents && sc.voices {
		x.traffic.pace = 200 * time.Millisecond // Incidents last long enough for people to say something.
	}
	x.ring = kafkatest.NewRing(t, 2, x.random, func(i int) *kafkatest.Process {
		environment := []string{"SENSORS_BROKERS=" + strings.Join(client.Brokers(), ","), "SENSORS_KEY=" + d.Key, "SENSORS_GUARDED=" + strconv.FormatBool(sc.guarded), fmt.Sprintf("SENSORS_INSTANCE=node-%d", i)}
		if sc.incidents {
			environment = append(environment, "SENSORS_INCIDENTS=1")
		}
		return kafkatest.Spawn(t, "sensors", environment...)
	})
	if sc.voices {
		x.people, x.log = newVoices(t, client, d, sc.incidents, sc.seed), newChangelog(t, client, d)
	}
	groups := map[string]string{names.DetectorGroup(d.Name): names.Source(d)}
	if d.Repartitioned() {
		groups = map[string]string{names.DetectorGroup(d.Name): names.Repartition(d.Name), names.RepartitionGroup(d.Name): names.Source(d)}
	}
	if sc.incidents {
		groups[names.IncidentGroup()] = names.Journal()
		for _, topic := range journalled() {
			groups[names.JournalGroup(topic)] = topic
		}
	}
	for group, topic := range groups { // What comes before the first start of a group counts as backfill.
		kafkatest.Eventually(t, 2*kafkatest.Deadline, func() error {
			if c := client.Committed(group, topic); len(c) < 4 {
				return fmt.Errorf("group %s has committed where it starts for %v", group, c)
			}
			return nil
		})
	}
	x.add(sc.kills, "kill", x.ring.Kill)
	x.add(sc.pauses, "pause", func() {
		from := time.Now()
		x.ring.Pause(2 * tortureSession)
		x.stood = append(x.stood, span{from, time.Now().Add(2 * tortureSession)})
	})
	x.add(sc.leaves, "leave", func() { x.ring.Leave(200 * time.Millisecond) })
	return x
}

func (x *torture) add(n int, name string, do func()) {
	for range n {
		x.strikes = append(x.strikes, kafkatest.Strike{Name: name, Do: do})
	}
}

// run troubles the processes and judges what they wrote.
func (x *torture) run() verdict {
	x.t.Helper()
	defer func() {
		if x.t.Failed() {
			x.t.Logf("%.10000s", x.ring.Outputs())
		}
	}()
	load := func() {
		x.client.Produce(x.traffic.records(x.batch)...)
		if x.voices {
			x.people.speak()
			x.log.read()
		}
		kafkatest.Elapse(20 * time.Millisecond)
	}
	x.ring.Trouble(x.strikes, 600*time.Millisecond, load)
	for x.traffic.n < x.records {
		load()
	}
	if x.voices {
		kafkatest.Eventually(x.t, 4*kafkatest.Deadline, func() error {
			load()
			return x.people.unsaid()
		})
	}
	settle(x.t, x.client, x.d, 4*time.Minute)
	x.heard()
	x.ring.End()
	if x.incidents {
		settleIncidents(x.t, x.client, x.d)
		i := judgeIncidents(x.t, x.client, x.d)
		x.t.Log(i)
		if !i.ok() || i.opened < 20 || i.ended < 10 {
			x.t.Error("incidents are not what a sequential computation gives")
		}
		if x.voices && i.expired < 20 {
			x.t.Error("too few records have expired")
		}
		// A process that stood still while another deleted an incident may repeat what both had told of it. Brokers that are away make
		// any process stand still.
		again := slices.ContainsFunc(i.repeated, func(at time.Time) bool {
			return !slices.ContainsFunc(x.stood, func(s span) bool { return at.After(s.from) && at.Before(s.to) })
		})
		if (i.risen > 0 || again) && x.stops+x.brokerKills == 0 {
			x.t.Errorf("incidents came again after they were deleted, %d of them with repetitions at %v; processes stood still at %v", len(i.repeated), i.repeated, x.stood)
		}
		for _, change := range answers {
			if x.voices && i.changes[change] == 0 {
				x.t.Errorf("nothing was %s", change)
			}
		}
	}
	var taken *interventions
	if x.voices {
		x.log.catchUp()
		taken = intervened(x.t, x.log, x.people.said)
	}
	v := judgeTaken(x.t, x.client, x.d, taken)
	x.t.Log(v)
	if !v.ok() || v.want == 0 || v.scored == 0 {
		x.t.Error("output is not what a sequential computation gives")
	}
	if x.voices && (v.verdicts < 20 || v.withdrawn < 5) {
		x.t.Error("too few verdicts to judge")
	}
	return v
}

// heard waits until the detectors have taken what was said, once each.
func (x *torture) heard() {
	x.t.Helper()
	if !x.voices {
		return
	}
	kafkatest.Eventually(x.t, 2*time.Minute, func() error {
		x.log.catchUp()
		return intervened(x.t, x.log, x.people.said).missing(x.people.said, x.people.late)
	})
}

// settleIncidents runs the incident groups once more, until they have nothing left to read.
func settleIncidents(t *testing.T, client *kafkatest.Client, d *streams.Definition) {
	t.Helper()
	c := sensorsConfig(t, d, client.Brokers(), "", 30*time.Second)
	all, err := incidentGroups(c)
	if err != nil {
		t.Fatal(err)
	}
	stop := work(t, all...)
	for _, topic := range journalled() {
		client.AwaitCommitted(names.JournalGroup(topic), topic, 4*time.Minute)
	}
	stop() // Nobody ticks any more: the journal has an end.
	group, err := processors.NewIncidentGroup(incidentConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	stop = work(t, group)
	client.AwaitCommitted(names.IncidentGroup(), names.Journal(), 4*time.Minute)
	stop()
}

// onOurBroker runs a scenario on the in-process broker.
func onOurBroker(t *testing.T, sc scenario) verdict {
	t.Helper()
	broker := kafkatest.Start(t)
	x := newTorture(t, broker.Client, sc)
	topics := []string{names.Anomalies(), names.DeadLetters(), names.DetectorTable(x.d.Name), names.Repartition(x.d.Name)}
	if sc.incidents {
		topics = append(topics, names.Incidents(), names.Journal(), names.IncidentTable())
	}
	x.add(sc.refusals, "refusal", func() {
		broker.FailProduce(topics[x.random.IntN(len(topics))], 1+x.random.IntN(3), kerr.NotLeaderForPartition)
	})
	return x.run()
}

// TestTorture kills, pauses and removes two processes of a stream under load with malformed records, while the in-process
// broker refuses records now and then and people give verdicts and withdraw them, and compares every anomaly, every dead letter
// and the detectors' states with a sequential computation. At full size it is TestTortureFull.
func TestTorture(t *testing.T) {
	t.Parallel()
	onOurBroker(t, scenario{key: "device", seed: 1, kills: 2, pauses: 1, leaves: 1, refusals: 2, batch: 100, malformed: 0.05, voices: true})
}

// TestTortureOfIncidents does the same to the groups that make incidents, while people act on incidents too, and compares every
// revision of every incident with a sequential computation over the journal.
func TestTortureOfIncidents(t *testing.T) {
	t.Parallel()
	onOurBroker(t, scenario{key: "record", seed: 9, kills: 3, pauses: 1, leaves: 1, refusals: 3, batch: 100, incidents: true, voices: true})
}

// TestTortureGuarded does the same to a stream with rules, a limit, windows that are not learned, features that are stuck, and
// late events that go to a topic of their own.
func TestTortureGuarded(t *testing.T) {
	t.Parallel()
	v := onOurBroker(t, scenario{key: "record", guarded: true, seed: 7, kills: 2, pauses: 1, refusals: 1, batch: 100, malformed: 0.02, records: 6000, voices: true})
	if v.late == 0 || v.kinds[streams.KindRule] == 0 || v.kinds[streams.KindStuck] == 0 || v.kinds[streams.KindModel] == 0 || v.suppressed < 100 {
		t.Errorf("too little to judge: %d late, kinds %v, %d suppressed", v.late, v.kinds, v.suppressed)
	}
}
